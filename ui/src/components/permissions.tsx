/** Permissions of users in virtual hosts: tables, and the forms that set and clear them. */
import type { ComponentChildren } from "preact";
import { at, put, remove } from "../api.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import type { Permission, TopicPermission, User } from "../types.ts";
import { DialogButton } from "./dialog.tsx";
import { ExchangeName, UserName, VhostName } from "./facts.tsx";
import { Confirm, Form, SelectField, TextField } from "./form.tsx";
import { useVhosts } from "./scope.ts";
import { type Column, Table } from "./table.tsx";

/** The one side that is known: a user, or a virtual host. */
type Side = { user: string; vhost?: undefined } | { vhost: string; user?: undefined };

function other({ user }: Side): Column<Permission> & Column<TopicPermission> {
  return user === undefined
    ? { key: "user", title: "User", width: 20, cell: (row: { user: string }) => <UserName name={row.user} /> }
    : {
        key: "vhost",
        title: "Virtual host",
        width: 20,
        cell: (row: { vhost: string }) => <VhostName name={row.vhost} />,
      };
}

function pattern(key: "configure" | "write" | "read", title: string) {
  return { key, title, cell: (row: Partial<Permission>) => <Pattern of={row[key] ?? ""} /> };
}

/** A regular expression; an empty one matches nothing. */
function Pattern({ of }: { of: string }) {
  return of === "" ? <span class="muted">nothing</span> : <span class="mono">{of}</span>;
}

function pathOf(side: Side, what: "permissions" | "topic-permissions"): string {
  return side.user === undefined ? at`/vhosts/${side.vhost}/${what}` : at`/users/${side.user}/${what}`;
}

function Ends({ side, given }: { side: Side; given?: { user: string; vhost: string } }) {
  const vhosts = useVhosts();
  const { data: users } = useLive<User[]>(side.user === undefined ? "/users?columns=name" : null);
  if (side.user !== undefined) {
    return (
      <SelectField
        label="Virtual host"
        name="end"
        value={given?.vhost}
        options={given ? [given.vhost] : vhosts}
      />
    );
  }
  const names = users?.map(({ name }) => name) ?? [];
  return <SelectField label="User" name="end" value={given?.user} options={given ? [given.user] : names} />;
}

function ends(side: Side, end: string): { user: string; vhost: string } {
  return side.user === undefined ? { user: end, vhost: side.vhost } : { user: side.user, vhost: end };
}

// --- permissions

export function Permissions({ side }: { side: Side }) {
  return (
    <Table<Permission>
      id="permissions"
      label="Permissions"
      title="Permissions"
      path={pathOf(side, "permissions")}
      columns={[
        other(side),
        pattern("configure", "Configure"),
        pattern("write", "Write"),
        pattern("read", "Read"),
      ]}
      needs={["user", "vhost"]}
      rowKey={({ user, vhost }) => JSON.stringify([user, vhost])}
      nameOf={(row) => (side.user === undefined ? row.user : row.vhost)}
      isInAddress={false}
      empty={
        <p>
          {side.user === undefined
            ? "No user may do anything in it."
            : "The user may not enter any virtual host."}
        </p>
      }
      tools={<SetPermission side={side} label="Grant…" />}
      actions={(row) => (
        <>
          <SetPermission side={side} label="Edit" given={row} />
          <ClearPermission of={row} />
        </>
      )}
    />
  );
}

function SetPermission({ side, label, given }: { side: Side; label: string; given?: Permission }) {
  const hint = "Names of exchanges and queues, as a regular expression";
  return (
    <DialogButton
      label={label}
      kind={given ? "quiet" : undefined}
      name={given && `Edit the permission of ${given.user} in ${given.vhost}`}
      title="Permission"
    >
      {(close) => (
        <Form
          verb="Grant"
          onCancel={close}
          action={async (values) => {
            const { user, vhost } = ends(side, values.text("end"));
            const patterns = {
              configure: values.text("configure"),
              write: values.text("write"),
              read: values.text("read"),
            };
            await put(at`/permissions/${vhost}/${user}`, patterns);
            close();
            say(`${user} may use ${vhost} now.`);
          }}
        >
          <Ends side={side} given={given} />
          <TextField
            label="Configure"
            name="configure"
            value={given?.configure ?? ".*"}
            hint={`${hint} that may be declared and deleted.`}
          />
          <TextField
            label="Write"
            name="write"
            value={given?.write ?? ".*"}
            hint="Those that may be published or bound to."
          />
          <TextField
            label="Read"
            name="read"
            value={given?.read ?? ".*"}
            hint="Those that may be consumed from, purged or bound from."
          />
        </Form>
      )}
    </DialogButton>
  );
}

function ClearPermission({ of: { user, vhost } }: { of: Permission }) {
  return (
    <Clearing
      name={`Clear the permission of ${user} in ${vhost}`}
      title={`Clear the permission of ${user} in ${vhost}?`}
      loss={
        <>
          <b class="mono">{user}</b> cannot enter <b class="mono">{vhost}</b> any more. Connections that are
          open stay open, and are refused what they ask for.
        </>
      }
      action={() => remove(at`/permissions/${vhost}/${user}`)}
      done={`${user} may not use ${vhost} any more.`}
    />
  );
}

interface ClearingProps {
  name: string;
  title: string;
  loss: ComponentChildren;
  action: () => Promise<void>;
  done: string;
}

function Clearing({ name, title, loss, action, done }: ClearingProps) {
  return (
    <DialogButton label="Clear" kind="quiet" name={name} title={title}>
      {(close) => (
        <Confirm
          verb="Clear"
          onCancel={close}
          losses={[loss]}
          action={async () => {
            await action();
            close();
            say(done);
          }}
        />
      )}
    </DialogButton>
  );
}

// --- topic permissions

export function TopicPermissions({ side }: { side: Side }) {
  return (
    <Table<TopicPermission>
      id="topic-permissions"
      label="Topic permissions"
      title="Topic permissions"
      path={pathOf(side, "topic-permissions")}
      columns={[
        other(side),
        {
          key: "exchange",
          title: "Exchange",
          cell: ({ vhost, exchange }) =>
            exchange === "" ? "all" : <ExchangeName vhost={vhost} name={exchange} />,
        },
        pattern("write", "Write routing keys"),
        pattern("read", "Read routing keys"),
      ]}
      needs={["user", "vhost"]}
      rowKey={({ user, vhost, exchange }) => JSON.stringify([user, vhost, exchange])}
      nameOf={({ user, vhost, exchange }) => `${user} ${vhost} ${exchange}`}
      isInAddress={false}
      empty={<p>None: routing keys are not restricted.</p>}
      tools={<SetTopic side={side} label="Restrict…" />}
      actions={(row) => (
        <>
          <SetTopic side={side} label="Edit" given={row} />
          <ClearTopic of={row} />
        </>
      )}
    />
  );
}

function SetTopic({ side, label, given }: { side: Side; label: string; given?: TopicPermission }) {
  return (
    <DialogButton
      label={label}
      kind={given ? "quiet" : undefined}
      name={given && `Edit the topic permission of ${given.user} for ${given.exchange}`}
      title="Topic permission"
    >
      {(close) => (
        <Form
          verb="Set"
          onCancel={close}
          action={async (values) => {
            const { user, vhost } = ends(side, values.text("end"));
            const body = {
              exchange: values.text("exchange"),
              write: values.text("write"),
              read: values.text("read"),
            };
            await put(at`/topic-permissions/${vhost}/${user}`, body);
            close();
            say(`The routing keys of ${user} are restricted.`);
          }}
        >
          <Ends side={side} given={given} />
          <TextField
            label="Exchange"
            name="exchange"
            value={given?.exchange ?? "amq.topic"}
            required
            hint="A topic exchange."
          />
          <TextField
            label="Write"
            name="write"
            value={given?.write ?? ".*"}
            hint="Routing keys that may be published with, as a regular expression."
          />
          <TextField
            label="Read"
            name="read"
            value={given?.read ?? ".*"}
            hint="Routing keys that queues may be bound with."
          />
        </Form>
      )}
    </DialogButton>
  );
}

function ClearTopic({ of: { user, vhost, exchange } }: { of: TopicPermission }) {
  return (
    <Clearing
      name={`Clear the topic permission of ${user} for ${exchange}`}
      title={`Clear the topic permission of ${user}?`}
      loss={
        <>
          The routing keys of <b class="mono">{user}</b> at the exchange <b class="mono">{exchange}</b> are
          not restricted any more.
        </>
      }
      action={() => remove(at`/topic-permissions/${vhost}/${user}/${exchange || "amq.default"}`)}
      done={`The routing keys of ${user} are not restricted any more.`}
    />
  );
}
