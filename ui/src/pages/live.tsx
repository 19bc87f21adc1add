/** What passes now: messages of exchanges and queues, events of the broker. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { at } from "../api.ts";
import { Heading } from "../components/facts.tsx";
import { Failure, Form, SelectField, TextField } from "../components/form.tsx";
import { LogTable } from "../components/log-table.tsx";
import { useVhosts } from "../components/scope.ts";
import { count, plural, visible } from "../format.ts";
import { useLive } from "../live.ts";
import { ENTRIES_MAX, matching } from "../log.ts";
import { decoded, go, href, route } from "../router.ts";
import { isMonitor } from "../session.ts";
import type { Exchange, Page, Queue } from "../types.ts";
import { type Sources, useWatching } from "../watching.ts";

/** Rows that are drawn at first, and more of them each time. */
const DRAWN = 200;

export function LivePage() {
  const { query } = route.value;
  const sources: Sources = { taps: query.getAll("tap"), events: query.getAll("events") };
  return (
    <>
      <Heading title="Live" />
      <Choice sources={sources} />
      <Passing sources={sources} />
    </>
  );
}

function show({ taps, events }: Sources): void {
  const search = new URLSearchParams();
  for (const tap of new Set(taps)) search.append("tap", tap);
  for (const pattern of new Set(events)) search.append("events", pattern);
  go(`${href("live")}?${search}`);
}

// --- what is watched

const PRESETS = [
  { title: "Connections and channels", events: ["connection.#", "channel.#"] },
  { title: "Queues, exchanges, bindings", events: ["queue.#", "exchange.#", "binding.#"] },
  { title: "All events", events: ["#"] },
];

function Choice({ sources }: { sources: Sources }) {
  const add = (more: Partial<Sources>) =>
    show({
      taps: [...sources.taps, ...(more.taps ?? [])],
      events: [...sources.events, ...(more.events ?? [])],
    });
  return (
    <>
      <Add onAdd={add} />
      {isMonitor.value && (
        <p class="suggestions">
          {PRESETS.map(({ title, events }) => (
            <button key={title} type="button" class="chip" onClick={() => add({ events })}>
              {title}
            </button>
          ))}
        </p>
      )}
    </>
  );
}

function Add({ onAdd }: { onAdd: (more: Partial<Sources>) => void }) {
  const [kind, setKind] = useState("queues");
  const vhosts = useVhosts();
  const [chosen, setVhost] = useState<string | undefined>(undefined);
  const vhost = chosen ?? vhosts[0] ?? "/";
  return (
    <Form
      verb="Watch"
      isInline
      action={async (values) => {
        const name = values.text("name");
        if (kind === "events") onAdd({ events: [name || "#"] });
        else onAdd({ taps: [`/${kind}${at`/${vhost}/${name || "amq.default"}`}`] });
      }}
    >
      <SelectField
        label="Messages of"
        name="kind"
        value={kind}
        onChange={setKind}
        options={[
          { value: "queues", label: "a queue" },
          { value: "exchanges", label: "an exchange" },
          ...(isMonitor.value ? [{ value: "events", label: "— events of the broker" }] : []),
        ]}
      />
      {kind !== "events" && (
        <SelectField
          label="Virtual host"
          name="vhost"
          value={vhost}
          options={vhosts}
          onChange={(value) => setVhost(value)}
        />
      )}
      {kind === "events" ? (
        <TextField label="Names" name="name" value="#" hint="A pattern: queue.* or connection.#" />
      ) : (
        <Named key={`${kind} ${vhost}`} kind={kind} vhost={vhost} />
      )}
    </Form>
  );
}

function Named({ kind, vhost }: { kind: string; vhost: string }) {
  const { data } = useLive<Page<Queue | Exchange>>(
    `/${kind}${at`/${vhost}`}?page=1&page_size=500&columns=name`,
  );
  const names = data?.items.map(({ name }) => name).filter((name) => name !== "");
  return <TextField label="Name" name="name" options={names} required />;
}

interface SourcesProps {
  sources: Sources;
  refused: Map<string, string>;
}

function Watched({ sources, refused }: SourcesProps) {
  const { taps, events } = sources;
  return (
    <ul class="watched" aria-label="What is watched">
      {taps.map((tap) => (
        <Source
          key={tap}
          text={inWords(tap)}
          problem={refused.get(tap)}
          onEnd={() => show({ taps: taps.filter((each) => each !== tap), events })}
        />
      ))}
      {events.map((pattern) => (
        <Source
          key={pattern}
          text={`events ${pattern}`}
          problem={refused.get("events")}
          onEnd={() => show({ taps, events: events.filter((each) => each !== pattern) })}
        />
      ))}
    </ul>
  );
}

function Source({ text, problem, onEnd }: { text: string; problem?: string; onEnd: () => void }) {
  return (
    <li class={problem ? "refused" : undefined}>
      <span class="mono">{text}</span>
      {problem && <span class="bad">: {problem}</span>}
      <button type="button" class="quiet" aria-label={`Do not watch ${text}`} onClick={onEnd}>
        ✕
      </button>
    </li>
  );
}

function inWords(tap: string): string {
  const [, kind = "", vhost = "", name = ""] = tap.split("/");
  return visible(`${kind === "queues" ? "queue" : "exchange"} ${decoded(name)} in ${decoded(vhost)}`);
}

// --- what passes

function Passing({ sources }: { sources: Sources }) {
  const { log, version, isOpen, problem, refused } = useWatching(sources);
  const [frozen, freeze] = useState<{ entries: typeof log.entries; seen: number }>();
  const [filter, setFilter] = useState("");
  const [open, setOpen] = useState<number | undefined>(undefined);
  const [drawn, setDrawn] = useState(DRAWN);
  const entries = frozen?.entries ?? log.entries;
  const found = useMemo(() => matching(entries, filter), [entries, filter, version]);
  const pause = () => freeze({ entries: log.entries, seen: log.seen });
  useEffect(() => {
    if (open === undefined) return;
    // What one reads must not move away.
    freeze((before) => before ?? { entries: log.entries, seen: log.seen });
  }, [open, log]);
  if (sources.taps.length + sources.events.length === 0)
    return (
      <div class="empty">
        <p>
          Watch a queue or an exchange to see its messages as they pass; events tell who connects, and what is
          declared and deleted.
        </p>
        <p>Nothing of it is kept by the broker, and no message is taken.</p>
      </div>
    );
  const resume = () => {
    freeze(undefined);
    setOpen(undefined);
  };
  return (
    <>
      <Watched sources={sources} refused={refused} />
      <div class="toolbar">
        <search class="filter">
          <input
            type="search"
            class="mono"
            data-key="search"
            placeholder="Filter  /"
            aria-label="Filter what passes"
            spellcheck={false}
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </search>
        <button type="button" aria-pressed={frozen !== undefined} onClick={frozen ? resume : pause}>
          {frozen ? `Go on (${count(log.seen - frozen.seen)} new)` : "Pause"}
        </button>
        <button
          type="button"
          onClick={() => {
            log.clear();
            resume();
          }}
        >
          Clear
        </button>
        <span class="amount" role="status">
          {isOpen ? (
            <>
              <span class="mode live">
                <span class="dot" aria-hidden="true" />
              </span>
              {found.length === 0 && "waiting…"}
            </>
          ) : (
            "not connected"
          )}
        </span>
        <span class="muted">
          {plural(found.length, "row")}
          {filter !== "" && ` of ${count(entries.length)}`}
          {log.forgotten > 0 &&
            `; ${count(log.forgotten)} older ones are gone: ${count(ENTRIES_MAX)} are kept`}
          {log.skipped > 0 && `; ${count(log.skipped)} were skipped by the broker`}
        </span>
      </div>
      <Failure text={isOpen ? "" : problem} />
      <LogTable entries={found.slice(0, drawn)} open={open} onOpen={setOpen} />
      {found.length > drawn && (
        <p>
          <button type="button" onClick={() => setDrawn(drawn + DRAWN)}>
            {plural(found.length - drawn, "older row")}…
          </button>
        </p>
      )}
    </>
  );
}
