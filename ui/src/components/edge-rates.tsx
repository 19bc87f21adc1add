/** How many messages go from exchanges to queues: a broker knows that in the rates mode `detailed`. */
import { useEffect } from "preact/hooks";
import { at } from "../api.ts";
import { useLive } from "../live.ts";
import { edgeId, type Graph, idOf } from "../topology/graph.ts";
import type { Exchange } from "../types.ts";
import { rateOf } from "../values.ts";
import { useIsDetailed } from "./pair-rates.tsx";

/** Each is asked for by itself: only the busiest are. */
const EXCHANGES_MAX = 10;

export type Rates = ReadonlyMap<string, number>;

interface Props {
  vhost: string;
  graph: Graph;
  /** Is told the rates by the ids of edges, exchange by exchange. */
  onRates: (exchange: string, rates: Rates) => void;
}

export function EdgeRates({ vhost, graph, onRates }: Props) {
  if (!useIsDetailed()) return null;
  const busiest = graph.nodes
    .flatMap(({ exchange }) => (exchange ? [exchange] : []))
    .map(({ name, message_stats: stats }) => ({ name, rate: rateOf(stats, "publish_out") ?? 0 }))
    .filter(({ rate }) => rate > 0)
    .sort((one, other) => other.rate - one.rate)
    .slice(0, EXCHANGES_MAX);
  // In the order of names: which of them is the busiest changes.
  const names = busiest.map(({ name }) => name).sort();
  return (
    <>
      {names.map((name) => (
        <OfExchange key={name} vhost={vhost} name={name} onRates={onRates} />
      ))}
    </>
  );
}

function OfExchange({ vhost, name, onRates }: Omit<Props, "graph"> & { name: string }) {
  const { data } = useLive<Pick<Exchange, "outgoing">>(
    `${at`/exchanges/${vhost}/${name || "amq.default"}`}?columns=outgoing`,
  );
  useEffect(() => {
    const rates = (data?.outgoing ?? []).map(({ stats, queue }): [string, number] => [
      edgeId(idOf("exchange", name), idOf("queue", queue?.name ?? ""), "binding"),
      rateOf(stats, "publish") ?? 0,
    ]);
    onRates(name, new Map(rates));
  }, [data, name, onRates]);
  // It is not busy any more, or not one of the busiest.
  useEffect(() => () => onRates(name, new Map()), [name, onRates]);
  return null;
}
