/** What the page shows, kept up to date.
 *
 * All resources that are shown share one connection, `GET /api/live`, which tells each again when it has changed. A
 * broker without it is asked again and again. Nothing is asked while the page is hidden.
 */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { ApiError, authorization, refusalOf, send } from "./api.ts";
import { readEvents } from "./sse.ts";

export type Mode = "idle" | "connecting" | "live" | "polling" | "offline";

/** How the page is kept up to date at the moment. */
export const mode = signal<Mode>("idle");

const POLL_MS = 2000;
/** Of the time, at most this part is spent on answers. */
const POLL_SHARE = 20;
const RETRY_MS = [1000, 2000, 5000, 10_000];
const GETS_MAX = 16;
const ADDRESS_MAX = 6000;

interface Answer {
  status: number;
  /** As JSON: by it an answer is known that is the same again. */
  text: string;
  /** The same for all that show it: nobody changes it. */
  body: unknown;
}

type Listener = (answer: Answer) => void;

const listeners = new Map<string, Set<Listener>>();
const latest = new Map<string, Answer>();
let canStream = true;
let running: AbortController | undefined;
let isScheduled = false;

/** Asks anew for all that is shown, after a change that was made here. */
export function refresh(): void {
  latest.clear();
  // When the page of what was deleted has been left.
  schedule(100);
}

/** Once for all parts of a page that come or go together. */
function schedule(afterMs = 10): void {
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(() => {
    isScheduled = false;
    restart();
  }, afterMs);
}

function restart(): void {
  running?.abort();
  running = undefined;
  if (document.hidden || listeners.size === 0 || authorization.peek() === null) {
    mode.value = "idle";
    return;
  }
  running = new AbortController();
  const { signal: ended } = running;
  if (mode.peek() === "idle") mode.value = "connecting";
  for (const paths of portions([...listeners.keys()])) void keepUpToDate(paths, ended);
}

/** As many paths at a time as one stream takes, and one address. */
export function portions(paths: string[]): string[][] {
  const found: string[][] = [];
  let length = ADDRESS_MAX;
  for (const path of paths) {
    const added = encodeURIComponent(path).length + 5;
    const last = found.at(-1);
    if (last === undefined || last.length === GETS_MAX || length + added > ADDRESS_MAX) {
      found.push([path]);
      length = added;
    } else {
      last.push(path);
      length += added;
    }
  }
  return found;
}

async function keepUpToDate(paths: string[], ended: AbortSignal): Promise<void> {
  for (let failures = 0; !ended.aborted; ) {
    let error: unknown;
    try {
      if (canStream) await stream(paths, ended, () => (failures = 0));
      else await poll(paths, ended, () => (failures = 0));
    } catch (raised) {
      error = raised;
    }
    if (ended.aborted) return;
    if (canStream && error instanceof ApiError && error.status >= 400) {
      canStream = false;
      // Too many streams, perhaps: not for ever.
      if (error.status !== 404) setTimeout(() => (canStream = true), 60_000);
      continue;
    }
    mode.value = "offline";
    await sleep(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 1000, ended);
    failures += 1;
  }
}

async function stream(paths: string[], ended: AbortSignal, onAnswer: () => void): Promise<void> {
  await openStream(
    paths.map((path) => ["get", path]),
    (name, data) => {
      if (name !== "answer") return;
      const { of, status, body } = data as { of: number; status: number; body: unknown };
      const path = paths[of];
      if (path === undefined || ended.aborted) return;
      mode.value = "live";
      onAnswer();
      tell(path, { status, text: JSON.stringify(body), body });
    },
    ended,
  );
}

/** Opens a stream of its own: with the parameters `events` or `tap` it tells what happens. Calls for each event until
 * the stream ends or is aborted; raises ApiError if there is none. */
export async function openStream(
  parameters: [string, string][],
  onEvent: (name: string, data: unknown) => void,
  ended: AbortSignal,
): Promise<void> {
  const response = await send(`/live?${new URLSearchParams(parameters)}`, { signal: ended });
  if (response.body === null) return;
  await readEvents(response.body, (event) => onEvent(event.name, JSON.parse(event.data)));
}

async function poll(paths: string[], ended: AbortSignal, onAnswer: () => void): Promise<void> {
  while (!ended.aborted && !canStream) {
    const began = performance.now();
    for (const path of paths) {
      const answer = await answerOf(path, ended);
      if (ended.aborted) return;
      onAnswer();
      mode.value = "polling";
      tell(path, answer);
    }
    await sleep(Math.max(POLL_MS, (performance.now() - began) * POLL_SHARE), ended);
  }
}

/** Raises ApiError only if there is no answer at all: a refusal is an answer. */
async function answerOf(path: string, ended: AbortSignal): Promise<Answer> {
  try {
    const text = await (await send(path, { signal: ended })).text();
    return { status: 200, text, body: JSON.parse(text) };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 0) throw error;
    const body = { error: error.error, reason: error.reason };
    return { status: error.status, text: JSON.stringify(body), body };
  }
}

function sleep(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    ended.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function tell(path: string, answer: Answer): void {
  const before = latest.get(path);
  if (before?.status === answer.status && before.text === answer.text) return;
  latest.set(path, answer);
  for (const listener of listeners.get(path) ?? []) listener(answer);
}

function listen(path: string, listener: Listener): () => void {
  const known = latest.get(path);
  if (known) listener(known);
  const of = listeners.get(path) ?? new Set();
  of.add(listener);
  if (!listeners.has(path)) {
    listeners.set(path, of);
    schedule();
  }
  return () => {
    of.delete(listener);
    if (of.size > 0) return;
    listeners.delete(path);
    latest.delete(path);
    schedule();
  };
}

export interface Live<T> {
  /** The answer; that of the path before until there is one. */
  data: T | undefined;
  /** The refusal, if there was one the last time. */
  error: ApiError | undefined;
  /** True while the data are those of another path. */
  isStale: boolean;
}

/** The answer to a GET of the API, again whenever it has changed; of nothing (null) there is none. */
export function useLive<T>(path: string | null): Live<T> {
  const [state, setState] = useState<Live<T> & { path: string | null }>({
    path: null,
    data: undefined,
    error: undefined,
    isStale: false,
  });
  useEffect(() => {
    if (path === null) return;
    return listen(path, ({ status, text, body }) => {
      const error = status >= 400 ? refusalOf(status, text) : undefined;
      setState((before) => ({
        path,
        data: error ? before.data : (body as T),
        error,
        isStale: error !== undefined && before.isStale,
      }));
    });
  }, [path]);
  if (path === null) return { data: undefined, error: undefined, isStale: false };
  return state.path === path ? state : { data: state.data, error: undefined, isStale: true };
}

export function startLive(): void {
  document.addEventListener("visibilitychange", () => schedule());
  authorization.subscribe(() => {
    latest.clear();
    schedule();
  });
}
