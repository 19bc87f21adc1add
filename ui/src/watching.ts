/** Streams of messages and events: opened, opened again, and closed while the page is hidden. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, authorization } from "./api.ts";
import { time } from "./format.ts";
import { openStream } from "./live.ts";
import { Log } from "./log.ts";
import type { BrokerEvent, Passage } from "./message-types.ts";

/** What is watched: paths of exchanges and queues, and patterns of the names of events. */
export interface Sources {
  taps: string[];
  events: string[];
}

export interface Watching {
  log: Log;
  /** Changes when the log does. */
  version: number;
  isOpen: boolean;
  /** Why all of it, or a part by its index, cannot be watched. */
  problem: string;
  refused: Map<string, string>;
}

const RETRY_MS = 3000;
const SHOW_MS = 200;
const TRUNCATE = "2048";

interface Told {
  tap?: number;
  status?: number;
  body?: { reason?: unknown; error?: unknown };
  count?: number;
}

/** Watches as long as the sources stay the same. */
export function useWatching(sources: Sources): Watching {
  const log = useRef(new Log());
  const [state, setState] = useState<Omit<Watching, "log">>({
    version: 0,
    isOpen: false,
    problem: "",
    refused: new Map(),
  });
  const login = authorization.value;
  const key = JSON.stringify(sources);
  useEffect(() => {
    const { taps, events } = JSON.parse(key) as Sources;
    if (taps.length + events.length === 0 || login === null) {
      setState((before) => ({ ...before, isOpen: false, problem: "", refused: new Map() }));
      return;
    }
    return watch(
      { taps, events },
      log.current,
      () => setState((before) => ({ ...before, version: before.version + 1 })),
      (changes) => setState((before) => ({ ...before, ...changes })),
    );
  }, [key, login]);
  return { log: log.current, ...state };
}

/** Returns what ends it. */
function watch(
  { taps, events }: Sources,
  log: Log,
  onEntry: () => void,
  onState: (changes: Partial<Omit<Watching, "log" | "version">>) => void,
): () => void {
  const parameters: [string, string][] = [
    ...taps.map((tap): [string, string] => ["tap", tap]),
    ...events.map((pattern): [string, string] => ["events", pattern]),
    ["truncate", TRUNCATE],
  ];
  const refused = new Map<string, string>();
  let running: AbortController | undefined;
  let retry: number | undefined;
  let shown: number | undefined;
  let hiddenAt = 0;
  const show = () => {
    shown ??= window.setTimeout(() => {
      shown = undefined;
      onEntry();
    }, SHOW_MS);
  };
  const take = (name: string, data: unknown) => {
    if (name === "message") {
      const passage = data as Passage;
      log.add({ kind: "message", at: passage.at, passage, source: taps[passage.tap] ?? "" });
    } else if (name === "event") {
      const event = data as BrokerEvent;
      log.add({ kind: "event", at: event.at, event });
    } else if (name === "skipped") {
      const { count = 0 } = data as Told;
      log.skipped += count;
      log.add({ kind: "gap", at: Date.now(), text: `${count} more passed, too many to be shown.` });
    } else if (name === "state") {
      const { tap, status = 200, body } = data as Told;
      const part = tap === undefined ? "events" : (taps[tap] ?? "");
      if (status === 200) refused.delete(part);
      else refused.set(part, String(body?.reason ?? body?.error ?? status));
      onState({ refused: new Map(refused) });
    } else return;
    show();
  };
  const open = async () => {
    clearTimeout(retry);
    running?.abort();
    if (document.hidden) return;
    running = new AbortController();
    const { signal } = running;
    onState({ isOpen: true, problem: "" });
    let problem = "The broker has ended the stream.";
    try {
      await openStream(parameters, take, signal);
    } catch (error) {
      problem = error instanceof ApiError ? error.message : "The connection is lost.";
    }
    if (signal.aborted) return;
    log.add({
      kind: "gap",
      at: Date.now(),
      text: `${problem} What passes until it is open again is not shown.`,
    });
    show();
    onState({ isOpen: false, problem });
    retry = window.setTimeout(() => void open(), RETRY_MS);
  };
  const hide = () => {
    if (document.hidden) {
      hiddenAt = Date.now();
      running?.abort();
      clearTimeout(retry);
      onState({ isOpen: false });
      return;
    }
    const text = `Nothing was watched while this page was hidden, since ${time(hiddenAt).slice(11)}.`;
    log.add({ kind: "gap", at: Date.now(), text });
    show();
    void open();
  };
  document.addEventListener("visibilitychange", hide);
  void open();
  return () => {
    document.removeEventListener("visibilitychange", hide);
    running?.abort();
    clearTimeout(retry);
    clearTimeout(shown);
  };
}
