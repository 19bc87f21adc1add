/** Queues whose messages stay. */
import { Heading, QueueName, State, VhostName } from "../components/facts.tsx";
import { Failure } from "../components/form.tsx";
import { scoped } from "../components/scope.ts";
import { type Column, Table } from "../components/table.tsx";
import { count, inline, rate } from "../format.ts";
import { useLive } from "../live.ts";
import { vhostFilter } from "../preferences.ts";
import type { Page, Queue } from "../types.ts";
import { numberAt, valueAt } from "../values.ts";
import { CreateQueue } from "./queues.tsx";

/** The API cannot be asked for queues of a type. In the order of types, backwards, streams are the first. */
const STREAMS_FIRST = "page=1&page_size=500&sort=type&sort_reverse=true";
const NEEDED =
  "name,vhost,type,state,arguments,messages,consumers,message_stats.publish_details.rate,message_stats.deliver_details.rate";

export function StreamsPage() {
  const { data, error } = useLive<Page<Queue>>(`${scoped("/queues")}?${STREAMS_FIRST}&columns=${NEEDED}`);
  return (
    <>
      <Heading title="Streams" />
      <Failure text={error?.message ?? ""} />
      <Table<Queue>
        id="streams"
        label="Streams"
        rows={data?.items.filter(({ type }) => type === "stream")}
        columns={vhostFilter.value === "" ? COLUMNS : COLUMNS.filter(({ key }) => key !== "vhost")}
        rowKey={({ vhost, name }) => JSON.stringify([vhost, name])}
        nameOf={({ name }) => name}
        empty={
          <p>
            There are no streams. A stream is a queue whose messages stay when they were consumed: several
            applications read them, at the same time or days apart, each from its own place.
          </p>
        }
        tools={<CreateQueue label="Create a stream…" type="stream" />}
      />
    </>
  );
}

function rated(key: string, title: string, hint: string): Column<Queue> {
  const path = `message_stats.${key}_details.rate`;
  return { key: path, title, hint, isNumber: true, width: 11, cell: (row) => rate(numberAt(row, path)) };
}

const COLUMNS: Column<Queue>[] = [
  { key: "name", title: "Name", cell: (row) => <QueueName {...row} /> },
  { key: "vhost", title: "Virtual host", width: 14, cell: ({ vhost }) => <VhostName name={vhost} /> },
  { key: "state", title: "State", width: 11, cell: ({ state }) => <State of={state} /> },
  {
    key: "retention",
    title: "Keeps",
    hint: "How much it keeps: of its arguments",
    width: 26,
    isUnsorted: true,
    cell: (row) => retention(row),
  },
  { key: "messages", title: "Messages", width: 12, isNumber: true, cell: (row) => count(row.messages) },
  rated("publish", "In /s", "Messages published, per second"),
  rated("deliver", "Out /s", "Messages delivered, per second"),
  { key: "consumers", title: "Consumers", width: 11, isNumber: true, cell: (row) => count(row.consumers) },
];

function retention({ arguments: given }: Queue): string {
  const said = ["x-max-age", "x-max-length-bytes"].flatMap((name) => {
    const value = valueAt(given, name);
    return typeof value === "string" || typeof value === "number"
      ? [`${name.slice(2)} ${inline(value)}`]
      : [];
  });
  return said.join(", ") || "all";
}
