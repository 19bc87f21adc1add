/** Queues: the list, and what makes new ones. */

import { useState } from "preact/hooks";
import { at, put } from "../api.ts";
import { MEANINGS } from "../arguments.ts";
import { ArgumentsField, argumentsOf } from "../components/arguments-field.tsx";
import { DialogButton } from "../components/dialog.tsx";
import { Heading, QueueName, State, Tag, VhostName } from "../components/facts.tsx";
import { CheckField, Form, SelectField, TextField } from "../components/form.tsx";
import { scoped, useVhosts } from "../components/scope.ts";
import { type Column, Table } from "../components/table.tsx";
import { bytes, count, rate } from "../format.ts";
import { say } from "../notices.ts";
import { vhostFilter } from "../preferences.ts";
import { go, href } from "../router.ts";
import type { Arguments, Queue } from "../types.ts";
import { numberAt } from "../values.ts";
import { QueuePage } from "./queue.tsx";

export function QueuesPage({ names }: { names: string[] }) {
  const [vhost, name] = names;
  return vhost !== undefined && name !== undefined ? <QueuePage vhost={vhost} name={name} /> : <List />;
}

function List() {
  return (
    <>
      <Heading title="Queues" />
      <Table<Queue>
        id="queues"
        label="Queues"
        path={scoped("/queues")}
        columns={vhostFilter.value === "" ? COLUMNS : COLUMNS.filter(({ key }) => key !== "vhost")}
        needs={["name", "vhost"]}
        rowKey={({ vhost, name }) => JSON.stringify([vhost, name])}
        nameOf={({ name }) => name}
        empty={
          <p>
            There are no queues. Applications declare them, or <CreateQueue label="create one" />
          </p>
        }
        tools={<CreateQueue label="Create a queue…" />}
      />
    </>
  );
}

function rateColumn(key: string, title: string, hint: string, isExtra = false): Column<Queue> {
  const path = `message_stats.${key}_details.rate`;
  return {
    key: path,
    title,
    hint,
    isNumber: true,
    width: 9,
    isExtra,
    cell: (row) => rate(numberAt(row, path)),
  };
}

function countColumn(key: keyof Queue & string, title: string, hint: string, isExtra = false): Column<Queue> {
  return { key, title, hint, isNumber: true, width: 9, isExtra, cell: (row) => count(numberAt(row, key)) };
}

function sizeColumn(key: keyof Queue & string, title: string, hint: string): Column<Queue> {
  return {
    key,
    title,
    hint,
    isNumber: true,
    width: 9,
    isExtra: true,
    cell: (row) => bytes(numberAt(row, key)),
  };
}

const COLUMNS: Column<Queue>[] = [
  { key: "name", title: "Name", cell: (row) => <QueueName {...row} /> },
  { key: "vhost", title: "Virtual host", width: 13, cell: ({ vhost }) => <VhostName name={vhost} /> },
  { key: "type", title: "Type", width: 8 },
  {
    key: "features",
    title: "Features",
    width: 25,
    isUnsorted: true,
    needs: ["durable", "auto_delete", "exclusive", "arguments", "policy", "effective_policy_definition"],
    cell: (row) => <Features of={row} />,
  },
  { key: "state", title: "State", width: 10, cell: ({ state }) => <State of={state} /> },
  countColumn("messages_ready", "Ready", "Messages that wait for a consumer"),
  countColumn("messages_unacknowledged", "Unacked", "Messages that were delivered and not acknowledged yet"),
  countColumn("messages", "Total", "Messages, ready and unacknowledged", true),
  rateColumn("publish", "In /s", "Messages published, per second"),
  rateColumn("deliver_get", "Out /s", "Messages delivered, per second"),
  rateColumn("ack", "Acked /s", "Messages acknowledged, per second"),
  rateColumn("redeliver", "Redel. /s", "Messages redelivered, per second", true),
  { ...countColumn("consumers", "Consumers", "Consumers"), width: 11 },
  sizeColumn("message_bytes", "Size", "Bytes of the bodies of all messages"),
  sizeColumn("memory", "Memory", "Bytes of memory, estimated"),
  { key: "policy", title: "Policy", width: 14, isExtra: true },
];

/** What makes a queue another one than others, in short. */
export function Features({ of }: { of: Queue }) {
  const given: Arguments = { ...asObject(of.arguments) };
  for (const [key, value] of Object.entries(asObject(of.effective_policy_definition)))
    given[`x-${key}`] = value;
  return (
    <span class="tags">
      {of.durable && <Tag short="D" title="durable" />}
      {of.auto_delete && <Tag short="AD" title="deleted when its last consumer is gone" />}
      {of.exclusive && <Tag short="Excl" title="exclusive to one connection" />}
      {SHORT.map(
        ([names, short, title]) =>
          names.some((name) => name in given) && <Tag key={short} short={short} title={title} />,
      )}
      {of.policy && <Tag short="Pol" title={`policy ${of.policy}`} />}
    </span>
  );
}

/** What is left of an object without keys is an empty list. */
function asObject(value: Arguments | [] | null | undefined): Arguments {
  return value && !Array.isArray(value) ? value : {};
}

const SHORT: [names: string[], short: string, title: string][] = [
  [["x-message-ttl"], "TTL", "messages expire"],
  [["x-expires"], "Exp", "deleted when unused"],
  [["x-max-length", "x-max-length-bytes"], "Lim", "limited in length"],
  [["x-dead-letter-exchange"], "DLX", "has dead letters"],
  [["x-max-priority"], "Pri", "has priorities"],
  [["x-single-active-consumer"], "SAC", "a single active consumer"],
];

// --- creating one

export function CreateQueue({ label, type = "" }: { label: string; type?: string }) {
  return (
    <DialogButton label={label} kind="primary" title="Create a queue" isWide hotkey="create">
      {(close) => <CreateForm close={close} initial={type} />}
    </DialogButton>
  );
}

const KINDS: Record<string, string> = {
  "": "Classic, unless the virtual host or the broker says otherwise.",
  classic: "The usual one.",
  quorum:
    "Always durable; counts deliveries, so that a message that fails again and again can be dropped or dead-lettered.",
  stream: "Messages stay when they were consumed: many read them, each from its own place.",
};

function CreateForm({ close, initial }: { close: () => void; initial: string }) {
  const [kind, setKind] = useState(initial);
  const vhosts = useVhosts();
  const isDurable = kind === "quorum" || kind === "stream";
  const known = MEANINGS.filter(
    ({ name, of }) => name !== "x-queue-type" && of.some((each) => each === (kind || "classic")),
  ).map(({ name }) => name);
  return (
    <Form
      verb="Create"
      onCancel={close}
      action={async (values) => {
        const [vhost, name] = [values.text("vhost"), values.text("name")];
        const given = argumentsOf(values.text("arguments"));
        await put(at`/queues/${vhost}/${name}`, {
          durable: isDurable || values.flag("durable"),
          auto_delete: values.flag("auto_delete"),
          arguments: kind === "" ? given : { "x-queue-type": kind, ...given },
        });
        close();
        say(`The queue ${name} is there.`);
        go(href("queues", vhost, name));
      }}
    >
      {vhosts.length > 1 ? (
        <SelectField label="Virtual host" name="vhost" value={vhosts[0]} options={vhosts} />
      ) : (
        <input type="hidden" name="vhost" value={vhosts[0] ?? "/"} />
      )}
      <TextField label="Name" name="name" required autofocus />
      <SelectField
        label="Type"
        name="type"
        value={kind}
        onChange={setKind}
        options={[{ value: "", label: "default" }, "classic", "quorum", "stream"]}
        hint={KINDS[kind]}
      />
      {!isDurable && (
        <CheckField
          label="Durable"
          name="durable"
          value
          hint="It is there again after a restart, if the broker has a data directory."
        />
      )}
      {kind !== "stream" && (
        <CheckField
          label="Auto-delete"
          name="auto_delete"
          hint="It is deleted when its last consumer is gone."
        />
      )}
      <ArgumentsField key={kind} name="arguments" label="Arguments" known={known} />
    </Form>
  );
}
