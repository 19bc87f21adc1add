/** Lists of consumers. */
import { count, inline } from "../format.ts";
import type { ChannelDetails, Consumer } from "../types.ts";
import { ChannelName, QueueName } from "./facts.tsx";
import { type Column, Table } from "./table.tsx";

interface Props {
  id: string;
  path?: string;
  rows?: Consumer[];
  /** What all of them have in common. */
  hides?: "queue" | "channel";
  empty: string;
  title?: string;
  isInAddress?: boolean;
}

export function ConsumersTable({ id, path, rows, hides, empty, title, isInAddress = false }: Props) {
  return (
    <Table<Consumer>
      id={id}
      label="Consumers"
      title={title}
      path={path}
      rows={rows}
      columns={COLUMNS.filter(({ key }) => !hides || !key.startsWith(hides))}
      needs={["queue.name", "queue.vhost", "channel_details.name", "consumer_tag"]}
      rowKey={(row) => JSON.stringify([channelOf(row)?.name, row.consumer_tag])}
      nameOf={(row) => `${row.consumer_tag} ${row.queue.name}`}
      isInAddress={isInAddress}
      empty={<p>{empty}</p>}
    />
  );
}

function channelOf({ channel_details: details }: Consumer): ChannelDetails | undefined {
  return Array.isArray(details) ? undefined : details;
}

const COLUMNS: Column<Consumer>[] = [
  { key: "consumer_tag", title: "Consumer tag", cell: (row) => <span class="mono">{row.consumer_tag}</span> },
  {
    key: "queue.name",
    title: "Queue",
    width: 24,
    needs: ["queue"],
    cell: ({ queue }) => <QueueName {...queue} />,
  },
  {
    key: "channel_details.name",
    title: "Channel",
    width: 36,
    needs: ["channel_details"],
    cell: (row) => <ChannelName name={channelOf(row)?.name ?? ""} />,
  },
  { key: "channel_details.user", title: "User", width: 12, cell: (row) => channelOf(row)?.user ?? "" },
  {
    key: "activity_status",
    title: "State",
    width: 13,
    needs: ["activity_status", "active"],
    cell: (row) => <Activity of={row} />,
  },
  {
    key: "ack_required",
    title: "Acks",
    hint: "Whether it acknowledges what it gets",
    width: 9,
    cell: ({ ack_required }) => (ack_required ? "yes" : "no"),
  },
  {
    key: "prefetch_count",
    title: "Prefetch",
    hint: "The most messages that it has unacknowledged at a time",
    isNumber: true,
    width: 10,
    cell: (row) => prefetch(row),
  },
  {
    key: "exclusive",
    title: "Exclusive",
    width: 10,
    isExtra: true,
    cell: ({ exclusive }) => (exclusive ? "yes" : "no"),
  },
  {
    key: "arguments",
    title: "Arguments",
    width: 18,
    isExtra: true,
    isUnsorted: true,
    cell: (row) => (
      <span class="mono">{Object.keys(row.arguments).length > 0 ? inline(row.arguments) : ""}</span>
    ),
  },
];

function prefetch({ prefetch_count: most }: Consumer): string {
  return most === 0 ? "no limit" : count(most);
}

const ACTIVITIES: Record<string, string> = {
  up: "active",
  single_active: "single active",
  waiting: "waits its turn",
};

function Activity({ of }: { of: Consumer }) {
  const words = ACTIVITIES[of.activity_status] ?? of.activity_status;
  return of.active ? <span>{words}</span> : <span class="muted">{words}</span>;
}
