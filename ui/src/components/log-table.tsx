/** A list of what passes: messages and events, the newest first. */
import { Component } from "preact";
import { count, inline, visible } from "../format.ts";
import type { Entry } from "../log.ts";
import type { BrokerEvent, Passage } from "../message-types.ts";
import { snippet } from "../messages/payload.ts";
import type { Arguments } from "../types.ts";
import { ConnectionName, ExchangeName, QueueName, Tag, UserName, VhostName } from "./facts.tsx";
import { MessageView } from "./message.tsx";

interface Props {
  entries: readonly Entry[];
  open: number | undefined;
  onOpen: (id: number | undefined) => void;
}

export function LogTable({ entries, open, onOpen }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" aria-label="What passes" tabIndex={0}>
      <table class="rows log">
        <colgroup>
          <col class="time" />
          <col class="what" />
          <col class="where" />
          <col />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">What</th>
            <th scope="col">Where</th>
            <th scope="col">Which</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <Row key={entry.id} entry={entry} isOpen={entry.id === open} onOpen={onOpen} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface RowProps {
  entry: Entry;
  isOpen: boolean;
  onOpen: (id: number | undefined) => void;
}

/** Not drawn again while nothing of it changes: there may be many. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return next.entry !== this.props.entry || next.isOpen !== this.props.isOpen;
  }

  override render() {
    return <Cells {...this.props} />;
  }
}

function Cells({ entry, isOpen, onOpen }: RowProps) {
  if (entry.kind === "gap")
    return (
      <tr class="gap">
        <td class="mono">{clock(entry.at)}</td>
        <td colSpan={3}>{entry.text}</td>
      </tr>
    );
  const toggle = () => onOpen(isOpen ? undefined : entry.id);
  const vhost = entry.kind === "message" ? vhostOf(entry.source) : "";
  return (
    <>
      <tr class={isOpen ? "open" : undefined}>
        <th scope="row">
          <button type="button" class="quiet expand mono" aria-expanded={isOpen} onClick={toggle}>
            <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span> {clock(entry.at)}
          </button>
        </th>
        {entry.kind === "message" ? (
          <MessageCells of={entry.passage} vhost={vhost} />
        ) : (
          <EventCells of={entry.event} />
        )}
      </tr>
      {isOpen && (
        <tr class="full">
          <td colSpan={4}>
            {entry.kind === "message" ? (
              <MessageView
                of={{ ...entry.passage, redelivered: entry.passage.redelivered ?? false }}
                vhost={vhost}
              >
                <Origin of={entry.passage} vhost={vhost} />
              </MessageView>
            ) : (
              <EventView of={entry.event} />
            )}
          </td>
        </tr>
      )}
    </>
  );
}

function clock(ms: number): string {
  const at = new Date(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const rest = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${rest}`;
}

/** The virtual host in the path of a tap. */
function vhostOf(path: string): string {
  return decodeURIComponent(path.split("/")[2] ?? "");
}

// --- messages

const KINDS: Record<Passage["kind"], { words: string; kind?: "warn" | "bad" | "good" }> = {
  published: { words: "published" },
  delivered: { words: "delivered", kind: "good" },
  got: { words: "got", kind: "good" },
  dead_lettered: { words: "dead-lettered", kind: "warn" },
  dropped: { words: "dropped", kind: "bad" },
  refused: { words: "refused", kind: "bad" },
  returned: { words: "returned", kind: "bad" },
};

function MessageCells({ of, vhost }: { of: Passage; vhost: string }) {
  const isArrival = of.kind === "published" && of.queue !== undefined;
  const { words, kind } = isArrival ? { words: "came in", kind: undefined } : KINDS[of.kind];
  const [first, ...others] = of.queues ?? [];
  return (
    <>
      <td>
        <Tag short={words} kind={kind} /> {of.reason && <span class="muted">{of.reason}</span>}
        {of.redelivered && <span class="warn"> again</span>}
      </td>
      <td>
        {of.kind === "published" || of.kind === "returned" ? (
          <>
            <ExchangeName vhost={vhost} name={of.exchange} /> →{" "}
            {isArrival ? (
              <QueueName vhost={vhost} name={of.queue ?? ""} />
            ) : first === undefined ? (
              <span class="bad">no queue</span>
            ) : (
              <>
                <QueueName vhost={vhost} name={first} />
                {others.length > 0 && <span class="muted"> and {count(others.length)} more</span>}
              </>
            )}
          </>
        ) : (
          <>
            {of.queue !== undefined && <QueueName vhost={vhost} name={of.queue} />}
            {first !== undefined && (
              <>
                {" "}
                → <QueueName vhost={vhost} name={first} />
              </>
            )}
          </>
        )}
      </td>
      <td class="mono">
        {visible(of.routing_key)} <span class="snippet">{snippet(of)}</span>
      </td>
    </>
  );
}

function Origin({ of, vhost }: { of: Passage; vhost: string }) {
  const { connection, channel, consumer_tag: tag, queues = [] } = of;
  return (
    <p>
      {connection === undefined ? (
        "By the broker itself."
      ) : (
        <>
          By connection <ConnectionName name={connection} />, channel {channel}
          {tag !== undefined && (
            <>
              , consumer <code>{tag}</code>
            </>
          )}
          .
        </>
      )}{" "}
      {queues.length > 0 && "To "}
      {queues.map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          <QueueName vhost={vhost} name={name} />
        </span>
      ))}
    </p>
  );
}

// --- events

function EventCells({ of: { name, properties } }: { of: BrokerEvent }) {
  return (
    <>
      <td>
        <Tag short={name} kind={/deleted|closed|failure|set$/.test(name) ? "warn" : undefined} />
      </td>
      <td>
        <Subject name={name} of={properties} />
      </td>
      <td class="mono snippet">{summary(properties)}</td>
    </>
  );
}

/** The object that an event is about, as a link. */
function Subject({ name, of }: { name: string; of: Arguments }) {
  const text = (key: string) => (typeof of[key] === "string" ? of[key] : "");
  const [subject, vhost] = [text("name"), text("vhost")];
  const kind = name.split(".")[0];
  if (kind === "queue") return <QueueName vhost={vhost} name={subject} />;
  if (kind === "exchange") return <ExchangeName vhost={vhost} name={subject} />;
  if (kind === "connection") return <ConnectionName name={subject} />;
  if (kind === "vhost") return <VhostName name={subject} />;
  if (kind === "user" && text("name") !== "") return <UserName name={subject} />;
  if (kind === "consumer" && text("queue") !== "") return <QueueName vhost={vhost} name={text("queue")} />;
  if (kind === "binding" && text("source_name") !== "")
    return <ExchangeName vhost={vhost} name={text("source_name")} />;
  return <span class="mono">{visible(subject)}</span>;
}

const BORING = new Set(["name", "timestamp_in_ms", "pid", "node", "connection_pid", "client_properties"]);

function summary(properties: Arguments): string {
  const said = Object.entries(properties)
    .filter(([name, value]) => !BORING.has(name) && value !== "" && !isEmpty(value))
    .map(([name, value]) => `${name}=${inline(value)}`)
    .join(" ")
    .slice(0, 400);
  return visible(said);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function EventView({ of: { properties } }: { of: BrokerEvent }) {
  return (
    <div class="message">
      <table class="plain pairs" aria-label="Properties of the event">
        <tbody>
          {Object.entries(properties).map(([name, value]) => (
            <tr key={name}>
              <th scope="row" class="mono">
                {name}
              </th>
              <td class="mono value">{visible(inline(value))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
