/** Virtual hosts: the list, and one of them. */
import type { ComponentChildren } from "preact";
import { at, post, put, remove } from "../api.ts";
import { RangeChoice, samplesOf } from "../components/chart.tsx";
import { DialogButton } from "../components/dialog.tsx";
import { Facts, Heading, Tag, VhostName } from "../components/facts.tsx";
import { CheckField, Failure, Form, SelectField, TextField } from "../components/form.tsx";
import { Missing } from "../components/missing.tsx";
import { Permissions, TopicPermissions } from "../components/permissions.tsx";
import { LengthsChart, RatesChart } from "../components/rates.tsx";
import { type Column, Table } from "../components/table.tsx";
import { bytes, count, inline, plural, rate } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import { vhostFilter } from "../preferences.ts";
import { go, href } from "../router.ts";
import { isAdministrator } from "../session.ts";
import type { Vhost } from "../types.ts";
import { numberAt } from "../values.ts";

export function VhostsPage({ names }: { names: string[] }) {
  const [name] = names;
  return name !== undefined ? <One name={name} /> : <List />;
}

function List() {
  return (
    <>
      <Heading title="Virtual hosts" />
      <Table<Vhost>
        id="vhosts"
        label="Virtual hosts"
        path="/vhosts"
        columns={COLUMNS}
        needs={["name"]}
        rowKey={({ name }) => name}
        nameOf={({ name }) => name}
        empty={<p>There is no virtual host that you may enter.</p>}
        tools={
          isAdministrator.value && (
            <DialogButton
              label="Add a virtual host…"
              kind="primary"
              title="Add a virtual host"
              hotkey="create"
            >
              {(close) => <VhostForm close={close} />}
            </DialogButton>
          )
        }
      />
    </>
  );
}

function rated(key: string, title: string, hint: string): Column<Vhost> {
  const path = `message_stats.${key}_details.rate`;
  return { key: path, title, hint, isNumber: true, width: 11, cell: (row) => rate(numberAt(row, path)) };
}

function traffic(key: string, title: string, hint: string): Column<Vhost> {
  const path = `${key}_details.rate`;
  return {
    key: path,
    title,
    hint,
    isNumber: true,
    width: 12,
    cell: (row) => `${bytes(numberAt(row, path) ?? 0)}/s`,
  };
}

const COLUMNS: Column<Vhost>[] = [
  { key: "name", title: "Name", cell: ({ name }) => <VhostName name={name} /> },
  { key: "description", title: "Description", width: 26 },
  {
    key: "messages_ready",
    title: "Ready",
    isNumber: true,
    width: 11,
    cell: (row) => count(row.messages_ready),
  },
  {
    key: "messages_unacknowledged",
    title: "Unacked",
    isNumber: true,
    width: 11,
    cell: (row) => count(row.messages_unacknowledged),
  },
  rated("publish", "In /s", "Messages published, per second"),
  rated("deliver_get", "Out /s", "Messages delivered, per second"),
  traffic("recv_oct", "From clients", "Bytes per second"),
  traffic("send_oct", "To clients", "Bytes per second"),
  {
    key: "tracing",
    title: "Tracing",
    width: 9,
    cell: ({ tracing }) => (tracing ? <Tag short="on" kind="warn" /> : "off"),
  },
];

// --- one

function One({ name }: { name: string }) {
  const path = at`/vhosts/${name}`;
  const { data: vhost, error } = useLive<Vhost>(`${path}?${samplesOf("lengths", "msg_rates")}`);
  if (error?.status === 404)
    return <Missing what="virtual host" name={name} list="vhosts" wasThere={vhost !== undefined} />;
  if (vhost === undefined) return <Failure text={error?.message ?? ""} />;
  return (
    <>
      <Heading kind="Virtual host" title={name} tools={<RangeChoice />} />
      <Failure text={error?.message ?? ""} />
      <Facts of={factsOf(vhost)} />
      <div class="actions">
        <button
          type="button"
          aria-pressed={vhostFilter.value === name}
          onClick={() => (vhostFilter.value = vhostFilter.value === name ? "" : name)}
        >
          Show only its objects in lists
        </button>
        <DialogButton label="Edit…" title={`Edit ${name}`}>
          {(close) => <VhostForm close={close} given={vhost} />}
        </DialogButton>
        <Tracing vhost={vhost} />
        <Protection vhost={vhost} />
        <Delete vhost={vhost} />
      </div>
      <div class="charts">
        <LengthsChart
          ready={vhost.messages_ready_details}
          unacked={vhost.messages_unacknowledged_details}
          readyNow={vhost.messages_ready}
          unackedNow={vhost.messages_unacknowledged}
        />
        <RatesChart counters={vhost.message_stats} />
      </div>
      <Permissions side={{ vhost: name }} />
      <TopicPermissions side={{ vhost: name }} />
    </>
  );
}

function factsOf(vhost: Vhost): [string, ComponentChildren][] {
  const tags = vhost.tags ?? vhost.metadata?.tags ?? [];
  return [
    ["Description", vhost.description || <span class="muted">none</span>],
    ["Tags", tags.length > 0 ? <span class="mono">{tags.map(inline).join(", ")}</span> : undefined],
    ["New queues are", kindOf(vhost) ?? "classic by default"],
    ["Tracing", vhost.tracing ? "on: a copy of each message goes to amq.rabbitmq.trace" : "off"],
    ["Protected", vhost.protected_from_deletion ? "yes: it cannot be deleted" : undefined],
    ["Ready", count(vhost.messages_ready)],
    ["Unacknowledged", count(vhost.messages_unacknowledged)],
  ];
}

function kindOf(vhost: Vhost): string | undefined {
  const kind = vhost.default_queue_type;
  return kind && kind !== "undefined" ? kind : undefined;
}

function Tracing({ vhost }: { vhost: Vhost }) {
  const { name, tracing } = vhost;
  return (
    <DialogButton
      label={tracing ? "Stop tracing…" : "Trace…"}
      title={tracing ? `Stop tracing ${name}?` : `Trace ${name}?`}
    >
      {(close) => (
        <Form
          verb={tracing ? "Stop" : "Trace"}
          onCancel={close}
          action={async () => {
            await put(at`/vhosts/${name}`, { ...described(vhost), tracing: !tracing });
            close();
            say(tracing ? `${name} is not traced any more.` : `${name} is traced.`);
          }}
        >
          <p>
            While it is traced, a copy of each message that is published or delivered goes to the exchange{" "}
            <span class="mono">amq.rabbitmq.trace</span>. All of it takes more time then.
          </p>
        </Form>
      )}
    </DialogButton>
  );
}

/** Older versions do not know it. */
function Protection({ vhost }: { vhost: Vhost }) {
  const { name, protected_from_deletion: isProtected } = vhost;
  if (isProtected === undefined) return null;
  return (
    <DialogButton
      label={isProtected ? "Unprotect…" : "Protect…"}
      title={isProtected ? `Let ${name} be deleted?` : `Protect ${name}?`}
    >
      {(close) => (
        <Form
          verb={isProtected ? "Unprotect" : "Protect"}
          onCancel={close}
          action={async () => {
            const path = at`/vhosts/${name}/deletion/protection`;
            await (isProtected ? remove(path) : post(path));
            close();
          }}
        >
          <p>{isProtected ? "It can be deleted then." : "It cannot be deleted until it is unprotected."}</p>
        </Form>
      )}
    </DialogButton>
  );
}

/** What a change must say again, for what it does not say is taken away. */
function described(vhost: Vhost): Record<string, unknown> {
  const kind = kindOf(vhost);
  return {
    description: vhost.description ?? "",
    tags: (vhost.tags ?? []).map(inline).join(","),
    ...(kind && { default_queue_type: kind }),
  };
}

function Delete({ vhost }: { vhost: Vhost }) {
  const { name, messages = 0 } = vhost;
  return (
    <DialogButton label="Delete…" kind="danger" title={`Delete the virtual host ${name}?`}>
      {(close) => (
        <Form
          verb="Delete"
          kind="danger"
          onCancel={close}
          action={async (values) => {
            if (values.text("again") !== name) throw new Error(`Type ${name} to delete it.`);
            await remove(at`/vhosts/${name}`);
            close();
            say(`The virtual host ${name} is deleted.`);
            go(href("vhosts"));
          }}
        >
          <ul class="losses">
            <li>
              {messages > 0
                ? `${plural(messages, "message")} in its queues ${messages === 1 ? "is" : "are"} lost.`
                : "Its queues are empty."}
            </li>
            <li>All of its queues, exchanges, bindings, policies and permissions are gone.</li>
            <li>All connections to it are closed.</li>
          </ul>
          <TextField label="Its name again" name="again" required />
          <p class="muted">This cannot be undone.</p>
        </Form>
      )}
    </DialogButton>
  );
}

function VhostForm({ close, given }: { close: () => void; given?: Vhost }) {
  return (
    <Form
      verb={given ? "Save" : "Add"}
      onCancel={close}
      action={async (values) => {
        const name = given?.name ?? values.text("name");
        const kind = values.text("kind");
        await put(at`/vhosts/${name}`, {
          description: values.text("description"),
          tags: values.text("tags"),
          ...(kind && { default_queue_type: kind }),
          ...(given ? {} : { tracing: values.flag("tracing") }),
        });
        close();
        say(given ? `${name} is changed.` : `The virtual host ${name} is there.`);
        if (!given) go(href("vhosts", name));
      }}
    >
      {!given && <TextField label="Name" name="name" required autofocus />}
      <TextField label="Description" name="description" mono={false} value={given?.description ?? ""} />
      <TextField
        label="Tags"
        name="tags"
        value={(given?.tags ?? []).map(inline).join(", ")}
        hint="With commas between them."
      />
      <SelectField
        label="New queues are"
        name="kind"
        value={given ? (kindOf(given) ?? "") : ""}
        options={[{ value: "", label: "as the broker says" }, "classic", "quorum", "stream"]}
        hint="The type of queues that do not say what they are."
      />
      {!given && (
        <CheckField label="Trace" name="tracing" hint="A copy of each message goes to amq.rabbitmq.trace." />
      )}
    </Form>
  );
}
