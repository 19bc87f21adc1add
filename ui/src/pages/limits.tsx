/** Limits of virtual hosts and of users. */
import { at, put, remove } from "../api.ts";
import { DialogButton } from "../components/dialog.tsx";
import { Heading, UserName, VhostName } from "../components/facts.tsx";
import { Confirm, Form, SelectField, TextField } from "../components/form.tsx";
import { useVhosts } from "../components/scope.ts";
import { type Column, Table } from "../components/table.tsx";
import { count } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import { isAdministrator } from "../session.ts";
import type { User, UserLimits, VhostLimits } from "../types.ts";

type Of = "vhost" | "user";
type Limits = Partial<VhostLimits & UserLimits> & { value: Record<string, number> };

const KINDS = {
  vhost: {
    title: "Of virtual hosts",
    path: "/vhost-limits",
    names: ["max-connections", "max-queues"],
    empty: "No virtual host has a limit.",
    label: "Limit a virtual host…",
  },
  user: {
    title: "Of users",
    path: "/user-limits",
    names: ["max-connections", "max-channels"],
    empty: "No user has a limit.",
    label: "Limit a user…",
  },
};

export function LimitsPage() {
  return (
    <>
      <Heading title="Limits" />
      <p class="muted">A limit refuses what would be one too many. What is there already stays.</p>
      <List of="vhost" />
      {isAdministrator.value && <List of="user" />}
    </>
  );
}

function nameOf(of: Of, row: Limits): string {
  return row[of] ?? "";
}

function List({ of }: { of: Of }) {
  const { title, path, names, empty, label } = KINDS[of];
  const columns: Column<Limits>[] = [
    of === "vhost"
      ? { key: "vhost", title: "Virtual host", cell: (row) => <VhostName name={nameOf(of, row)} /> }
      : { key: "user", title: "User", cell: (row) => <UserName name={nameOf(of, row)} /> },
    ...names.map(
      (name): Column<Limits> => ({
        key: `value.${name}`,
        title: name,
        width: 20,
        isNumber: true,
        cell: ({ value }) => shown(value[name]),
      }),
    ),
  ];
  return (
    <Table<Limits>
      id={path}
      label={title}
      title={title}
      path={path}
      columns={columns}
      needs={[of]}
      rowKey={(row) => nameOf(of, row)}
      nameOf={(row) => nameOf(of, row)}
      isInAddress={false}
      empty={<p>{empty}</p>}
      tools={isAdministrator.value && <SetLimits of={of} label={label} />}
      actions={
        isAdministrator.value
          ? (row) => (
              <>
                <SetLimits of={of} label="Edit" given={row} />
                <ClearLimits of={of} given={row} />
              </>
            )
          : undefined
      }
    />
  );
}

function shown(value: number | undefined): string {
  if (value === undefined) return "–";
  return value < 0 ? "none" : count(value);
}

function SetLimits({ of, label, given }: { of: Of; label: string; given?: Limits }) {
  const { path, names } = KINDS[of];
  return (
    <DialogButton
      label={label}
      kind={given ? "quiet" : "primary"}
      name={given && `Edit the limits of ${nameOf(of, given)}`}
      title="Limits"
    >
      {(close) => (
        <Form
          verb="Set"
          onCancel={close}
          action={async (values) => {
            const name = given ? nameOf(of, given) : values.text("name");
            for (const limit of names) {
              const value = values.number(limit);
              if (value !== undefined) await put(`${path}${at`/${name}/${limit}`}`, { value });
              else if (given?.value[limit] !== undefined) await remove(`${path}${at`/${name}/${limit}`}`);
            }
            close();
            say(`The limits of ${name} are set.`);
          }}
        >
          {!given && <Subject of={of} />}
          {names.map((limit) => (
            <TextField
              key={limit}
              label={limit}
              name={limit}
              type="number"
              value={given?.value[limit] === undefined ? "" : String(given.value[limit])}
              hint="Empty: no limit."
            />
          ))}
        </Form>
      )}
    </DialogButton>
  );
}

function Subject({ of }: { of: Of }) {
  const vhosts = useVhosts();
  const { data: users } = useLive<User[]>(of === "user" ? "/users?columns=name" : null);
  const options = of === "vhost" ? vhosts : (users ?? []).map(({ name }) => name);
  return <SelectField label={of === "vhost" ? "Virtual host" : "User"} name="name" options={options} />;
}

function ClearLimits({ of, given }: { of: Of; given: Limits }) {
  const { path, names } = KINDS[of];
  const name = nameOf(of, given);
  return (
    <DialogButton
      label="Clear"
      kind="quiet"
      name={`Clear the limits of ${name}`}
      title={`Clear the limits of ${name}?`}
    >
      {(close) => (
        <Confirm
          verb="Clear"
          onCancel={close}
          losses={["Nothing holds back how many of them there are any more."]}
          action={async () => {
            for (const limit of names) await remove(`${path}${at`/${name}/${limit}`}`);
            close();
            say(`${name} has no limits any more.`);
          }}
        />
      )}
    </DialogButton>
  );
}
