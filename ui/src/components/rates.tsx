/** Charts that several pages have: of messages, and of their rates. */
import { count, rate, short } from "../format.ts";
import type { Counters, Details } from "../types.ts";
import { detailsOf, levels, rateOf, rates } from "../values.ts";
import { Chart, type Series } from "./chart.tsx";

export type Curve = [name: string, counter: string];

/** What happens to messages, by the names of the API's counters. */
export const OF_MESSAGES: Curve[] = [
  ["published", "publish"],
  ["delivered", "deliver_get"],
  ["acknowledged", "ack"],
  ["confirmed", "confirm"],
  ["redelivered", "redeliver"],
  ["unroutable, returned", "return_unroutable"],
  ["unroutable, dropped", "drop_unroutable"],
];

interface RatesProps {
  title?: string;
  counters: Counters | undefined;
  curves?: Curve[];
}

/** Rates of counters. The numbers beside it are those of the last seconds. */
export function RatesChart({ title = "Messages per second", counters, curves = OF_MESSAGES }: RatesProps) {
  const series = curves.map(
    ([name, counter]): Series => ({
      name,
      points: rates(detailsOf(counters, counter)),
      now: rateOf(counters, counter) ?? 0,
    }),
  );
  return <Chart title={title} series={series} format={rate} axis={short} top={1} />;
}

interface LengthsProps {
  ready: Details | undefined;
  unacked: Details | undefined;
  readyNow: number | undefined;
  unackedNow: number | undefined;
}

export function LengthsChart({ ready, unacked, readyNow, unackedNow }: LengthsProps) {
  return (
    <Chart
      title="Messages"
      series={[
        { name: "ready", points: levels(ready), now: readyNow ?? 0 },
        { name: "unacknowledged", points: levels(unacked), now: unackedNow ?? 0 },
      ]}
      format={count}
      axis={short}
      top={4}
    />
  );
}
