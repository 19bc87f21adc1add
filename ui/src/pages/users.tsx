/** Users: the list, and one of them. */
import type { ComponentChildren } from "preact";
import { at, put, remove } from "../api.ts";
import { DialogButton } from "../components/dialog.tsx";
import { Facts, Heading, Tag, UserName } from "../components/facts.tsx";
import { CheckField, Confirm, Failure, Form, TextField, type Values } from "../components/form.tsx";
import { Missing } from "../components/missing.tsx";
import { Permissions, TopicPermissions } from "../components/permissions.tsx";
import { type Column, Table } from "../components/table.tsx";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import { go, href } from "../router.ts";
import { user as current, tagsOf } from "../session.ts";
import type { User } from "../types.ts";

const TAGS: [tag: string, meaning: string][] = [
  ["management", "Sees this page, and what its permissions allow."],
  ["policymaker", "The same, and sets policies of its virtual hosts."],
  ["monitoring", "Sees all connections, and the node."],
  ["administrator", "May do everything here."],
];

export function UsersPage({ names }: { names: string[] }) {
  const [name] = names;
  return name !== undefined ? <One name={name} /> : <List />;
}

function List() {
  return (
    <>
      <Heading title="Users" />
      <Table<User>
        id="users"
        label="Users"
        path="/users"
        columns={COLUMNS}
        needs={["name"]}
        rowKey={({ name }) => name}
        nameOf={({ name }) => name}
        empty={<p>There are no users.</p>}
        tools={
          <DialogButton label="Add a user…" kind="primary" title="Add a user" hotkey="create">
            {(close) => <UserForm close={close} />}
          </DialogButton>
        }
      />
    </>
  );
}

const COLUMNS: Column<User>[] = [
  { key: "name", title: "Name", cell: ({ name }) => <UserName name={name} /> },
  { key: "tags", title: "Tags", width: 36, cell: ({ tags }) => <Tags of={tagsOf(tags)} /> },
  {
    key: "password_hash",
    title: "Password",
    width: 12,
    isUnsorted: true,
    cell: (user) => (user.password_hash ? "set" : "none"),
  },
];

function Tags({ of }: { of: string[] }) {
  if (of.length === 0) return <span class="muted">none: messages only</span>;
  return (
    <span class="tags">
      {of.map((tag) => (
        <Tag key={tag} short={tag} />
      ))}
    </span>
  );
}

// --- one

function One({ name }: { name: string }) {
  const { data: user, error } = useLive<User>(at`/users/${name}`);
  if (error?.status === 404)
    return <Missing what="user" name={name} list="users" wasThere={user !== undefined} />;
  if (user === undefined) return <Failure text={error?.message ?? ""} />;
  const tags = tagsOf(user.tags);
  const facts: [string, ComponentChildren][] = [
    ["Tags", <Tags key="tags" of={tags} />],
    ["Password", user.password_hash ? "set" : "none: it cannot log in with one"],
  ];
  return (
    <>
      <Heading
        kind="User"
        title={name}
        tools={
          <>
            <DialogButton label="Edit…" title={`Edit ${name}`}>
              {(close) => <UserForm close={close} given={user} />}
            </DialogButton>
            <Delete name={name} />
          </>
        }
      />
      <Failure text={error?.message ?? ""} />
      <Facts of={facts} />
      <Permissions side={{ user: name }} />
      <TopicPermissions side={{ user: name }} />
    </>
  );
}

function Delete({ name }: { name: string }) {
  const isSelf = name === current.value?.name;
  return (
    <DialogButton label="Delete…" kind="danger" title={`Delete the user ${name}?`}>
      {(close) => (
        <Confirm
          verb="Delete"
          onCancel={close}
          losses={[
            "Its permissions are gone.",
            "It cannot log in any more.",
            ...(isSelf ? [<b key="self">This is you.</b>] : []),
          ]}
          action={async () => {
            await remove(at`/users/${name}`);
            close();
            say(`The user ${name} is deleted.`);
            go(href("users"));
          }}
        />
      )}
    </DialogButton>
  );
}

// --- adding and editing

function UserForm({ close, given }: { close: () => void; given?: User }) {
  const tags = given ? tagsOf(given.tags) : [];
  const own = tags.filter((tag) => !TAGS.some(([known]) => known === tag));
  return (
    <Form
      verb={given ? "Save" : "Add"}
      onCancel={close}
      action={async (values) => {
        const name = given?.name ?? values.text("name");
        await put(at`/users/${name}`, { ...passwordOf(values, given), tags: tagsIn(values).join(",") });
        close();
        say(given ? `${name} is changed.` : `${name} is there. It needs permissions to use a virtual host.`);
        if (!given) go(href("users", name));
      }}
    >
      {!given && <TextField label="Name" name="name" required autofocus />}
      <TextField
        label="Password"
        name="password"
        type="password"
        autocomplete="new-password"
        hint={given ? "Empty: it stays as it is." : "Empty: it has none, and cannot log in with one."}
      />
      {given?.password_hash && (
        <CheckField
          label="Take the password away"
          name="no-password"
          hint="It cannot log in with one any more."
        />
      )}
      <fieldset>
        <legend>Tags</legend>
        {TAGS.map(([tag, meaning]) => (
          <CheckField key={tag} label={tag} name="tag" as={tag} value={tags.includes(tag)} hint={meaning} />
        ))}
        <TextField label="Others" name="others" value={own.join(", ")} hint="With commas between them." />
      </fieldset>
    </Form>
  );
}

function tagsIn(values: Values): string[] {
  return [...values.all("tag"), ...tagsOf(values.text("others"))];
}

/** The part of a user that is about its password: what is not said is taken away by the API. */
function passwordOf(values: Values, given: User | undefined): Record<string, string> {
  const password = values.text("password");
  if (password !== "") return { password };
  if (!given?.password_hash || values.flag("no-password")) return { password_hash: "" };
  return { password_hash: given.password_hash, hashing_algorithm: given.hashing_algorithm ?? "" };
}
