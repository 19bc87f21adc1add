/** Rates by pair: of a channel and an exchange, an exchange and a queue, a queue and a channel. */
import { rate } from "../format.ts";
import { useLive } from "../live.ts";
import type { ChannelDetails, Overview, Pair } from "../types.ts";
import { numberAt } from "../values.ts";
import { ChannelName, ExchangeName, QueueName } from "./facts.tsx";
import { type Column, Table } from "./table.tsx";

/** True if the broker counts by pair: in the rates mode `detailed`. */
export function useIsDetailed(): boolean {
  const { data } = useLive<Pick<Overview, "rates_mode">>("/overview?columns=rates_mode");
  return data?.rates_mode === "detailed";
}

/** The other end of the pairs that one object has. */
type End = "channel" | "exchange" | "queue";

interface Props {
  title: string;
  id: string;
  rows: Pair[] | undefined;
  end: End;
  of: "publishes" | "routes" | "deliveries";
  empty: string;
}

/** Nothing, if the broker does not count by pair. */
export function PairRates({ title, id, rows = [], end, of, empty }: Props) {
  if (!useIsDetailed()) return null;
  return (
    <Table<Pair>
      id={id}
      label={title}
      title={title}
      rows={rows}
      columns={[ENDS[end], ...COUNTERS[of]]}
      rowKey={(row) => JSON.stringify([row.exchange, row.queue, channelOf(row)?.name])}
      nameOf={(row) => (end === "channel" ? channelOf(row)?.name : row[end]?.name) ?? ""}
      isInAddress={false}
      empty={<p>{empty}</p>}
    />
  );
}

/** None of a channel that is closed. */
function channelOf({ channel_details: details }: Pair): ChannelDetails | undefined {
  return Array.isArray(details) ? undefined : details;
}

const ENDS: Record<End, Column<Pair>> = {
  channel: {
    key: "channel_details.name",
    title: "Channel",
    cell: (row) => <ChannelName name={channelOf(row)?.name ?? ""} />,
  },
  exchange: {
    key: "exchange.name",
    title: "Exchange",
    cell: ({ exchange }) => exchange && <ExchangeName {...exchange} />,
  },
  queue: { key: "queue.name", title: "Queue", cell: ({ queue }) => queue && <QueueName {...queue} /> },
};

function counter(name: string, title: string, hint: string): Column<Pair> {
  const path = `stats.${name}_details.rate`;
  return {
    key: path,
    title,
    hint,
    isNumber: true,
    width: 13,
    cell: (row) => rate(numberAt(row, path) ?? 0),
  };
}

const COUNTERS: Record<Props["of"], Column<Pair>[]> = {
  publishes: [
    counter("publish", "Published /s", "Messages published, per second"),
    counter("confirm", "Confirmed /s", "Messages confirmed to the publisher, per second"),
  ],
  routes: [counter("publish", "Routed /s", "Messages routed to the queue, per second")],
  deliveries: [
    counter("deliver_get", "Delivered /s", "Messages delivered or got, per second"),
    counter("ack", "Acked /s", "Messages acknowledged, per second"),
    counter("redeliver", "Again /s", "Messages that were delivered before, per second"),
  ],
};
