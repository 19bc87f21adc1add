/** What has been seen of a stream: the newest entries, and how many are not there. */
import type { BrokerEvent, Passage } from "./message-types.ts";

export const ENTRIES_MAX = 1000;

interface Common {
  id: number;
  /** Milliseconds since 1970. */
  at: number;
}

export type Entry =
  | (Common & { kind: "message"; passage: Passage; source: string })
  | (Common & { kind: "event"; event: BrokerEvent })
  | (Common & { kind: "gap"; text: string });

export class Log {
  #entries: Entry[] = [];
  #last = 0;
  /** Entries that were there, and made room for newer ones. */
  forgotten = 0;
  /** Messages and events that the broker did not send, because they were too many. */
  skipped = 0;

  /** The newest first. Another list whenever there is another entry. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get seen(): number {
    return this.#last;
  }

  add(entry: Omit<Entry & { kind: "message" }, "id">): void;
  add(entry: Omit<Entry & { kind: "event" }, "id">): void;
  add(entry: Omit<Entry & { kind: "gap" }, "id">): void;
  add(entry: Omit<Entry, "id">): void {
    this.#last += 1;
    const made = { ...entry, id: this.#last } as Entry;
    // Of several sources one may be told a little later; where something is missing, times may be those of two clocks.
    const later = this.#entries.findIndex(
      (each) => made.kind === "gap" || each.kind === "gap" || each.at <= made.at,
    );
    const place = later < 0 ? this.#entries.length : later;
    this.#entries = [...this.#entries.slice(0, place), made, ...this.#entries.slice(place)];
    const more = this.#entries.length - ENTRIES_MAX;
    if (more > 0) {
      this.#entries.length = ENTRIES_MAX;
      this.forgotten += more;
    }
  }

  clear(): void {
    this.#entries = [];
    this.forgotten = this.skipped = 0;
  }
}

/** The text in which a filter looks. */
function haystack(entry: Entry): string {
  if (entry.kind === "gap") return entry.text;
  if (entry.kind === "event") return `${entry.event.name} ${JSON.stringify(entry.event.properties)}`;
  const {
    kind,
    exchange,
    routing_key: key,
    queue,
    queues,
    properties,
    payload,
    reason,
    connection,
  } = entry.passage;
  return JSON.stringify([
    kind,
    exchange,
    key,
    queue,
    queues,
    properties,
    payload,
    reason,
    connection,
    entry.source,
  ]);
}

export function matching(entries: readonly Entry[], filter: string): readonly Entry[] {
  const sought = filter.trim().toLowerCase();
  if (sought === "") return entries;
  return entries.filter((entry) => haystack(entry).toLowerCase().includes(sought));
}
