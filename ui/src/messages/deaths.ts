/** How a message died: the history in its headers, as others read it. */
import { duration, plural } from "../format.ts";
import type { Death, Message } from "../message-types.ts";
import type { Arguments, Json } from "../types.ts";

export function headersOf({ properties }: Pick<Message, "properties">): Arguments {
  const headers = Array.isArray(properties) ? undefined : properties.headers;
  return headers && !Array.isArray(headers) ? headers : {};
}

/** The deaths of a message, the first one first. What is not as it should be is left out: clients may write there. */
export function deathsOf(headers: Arguments): Death[] {
  const history = headers["x-death"];
  if (!Array.isArray(history)) return [];
  const found = history.flatMap((entry): Death[] => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [];
    const text = (name: string) => (typeof entry[name] === "string" ? entry[name] : "");
    const keys = entry["routing-keys"];
    return [
      {
        count: typeof entry.count === "number" ? entry.count : 1,
        reason: text("reason"),
        queue: text("queue"),
        exchange: text("exchange"),
        routingKeys: Array.isArray(keys) ? keys.filter((key) => typeof key === "string") : [],
        at: timeOf(entry.time),
        expiration:
          typeof entry["original-expiration"] === "string" ? entry["original-expiration"] : undefined,
      },
    ];
  });
  // The last death is written first.
  return found.reverse();
}

function timeOf(value: Json | undefined): number | undefined {
  if (typeof value !== "number") return undefined;
  return value * 1000;
}

const REASONS: Record<string, string> = {
  rejected: "a consumer rejected it, without asking for it to be requeued",
  expired: "its time to live was over before a consumer took it",
  maxlen: "the queue was full, and it was the first in it",
  delivery_limit: "it had been delivered as often as the queue's delivery limit allows",
};

/** Why a message died, as a part of a sentence. */
export function whyDied({ reason, count, expiration }: Death): string {
  const why = REASONS[reason] ?? `the reason given is “${reason}”`;
  const ttl = expiration === undefined ? "" : ` (its expiration was ${duration(Number(expiration))})`;
  return `${why}${ttl}${count > 1 ? `; ${plural(count, "time")} here` : ""}`;
}

export const DEATH_REASONS = Object.keys(REASONS);

/** Headers that the broker writes about deaths. */
export function isAboutDeath(name: string): boolean {
  return name === "x-death" || /^x-(first|last)-death-(exchange|queue|reason)$/.test(name);
}
