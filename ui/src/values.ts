/** Values inside the answers of the API. */
import type { Counters, Details, Sample } from "./types.ts";

/** What is at a path such as `message_stats.publish_details.rate`; nothing where it does not lead on. */
export function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  }
  return value;
}

export function numberAt(object: unknown, path: string): number | undefined {
  const value = valueAt(object, path);
  return typeof value === "number" ? value : undefined;
}

/** The rate of a counter, by its name. */
export function rateOf(counters: Counters | undefined, name: string): number | undefined {
  return numberAt(counters, `${name}_details.rate`);
}

export function detailsOf(counters: Counters | undefined, name: string): Details | undefined {
  const found = counters?.[`${name}_details`];
  return typeof found === "object" ? found : undefined;
}

export interface Points {
  /** Seconds since 1970, rising. */
  times: number[];
  values: (number | null)[];
}

function rising(samples: Sample[]): Sample[] {
  return [...samples].sort((one, other) => one.timestamp - other.timestamp);
}

/** The samples themselves. */
export function levels(details: Details | undefined): Points {
  const samples = rising(details?.samples ?? []);
  return {
    times: samples.map(({ timestamp }) => timestamp / 1000),
    values: samples.map(({ sample }) => sample),
  };
}

/** What a counter grew by in a second, from each sample to the next. */
export function rates(details: Details | undefined): Points {
  const samples = rising(details?.samples ?? []);
  const points: Points = { times: [], values: [] };
  for (const [index, { sample, timestamp }] of samples.entries()) {
    const before = samples[index - 1];
    if (before === undefined || timestamp <= before.timestamp) continue;
    points.times.push(timestamp / 1000);
    points.values.push(Math.max(0, ((sample - before.sample) * 1000) / (timestamp - before.timestamp)));
  }
  return points;
}

/** Several curves on the times of them all; null where one has no point. */
export function aligned(curves: Points[]): { times: number[]; values: (number | null)[][] } {
  const times = [...new Set(curves.flatMap((curve) => curve.times))].sort((one, other) => one - other);
  const values = curves.map((curve) => {
    const at = new Map(curve.times.map((time, index) => [time, curve.values[index] ?? null]));
    return times.map((time) => at.get(time) ?? null);
  });
  return { times, values };
}
