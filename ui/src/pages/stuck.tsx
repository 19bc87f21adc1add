/** Why messages do not get on, and what can be done. */
import type { ComponentChildren } from "preact";
import { at } from "../api.ts";
import {
  ChannelName,
  ConnectionName,
  ExchangeName,
  Heading,
  QueueName,
  VhostName,
} from "../components/facts.tsx";
import { Failure } from "../components/form.tsx";
import { watch } from "../components/queue-tabs.tsx";
import { visible } from "../format.ts";
import { useLive } from "../live.ts";
import type { Finding } from "../message-types.ts";
import { vhostFilter } from "../preferences.ts";
import { href } from "../router.ts";

export function StuckPage() {
  const chosen = vhostFilter.value;
  const { data, error } = useLive<Finding[]>(chosen === "" ? "/stuck" : at`/stuck/${chosen}`);
  const groups = data ? grouped(data) : [];
  return (
    <>
      <Heading title="Stuck?" />
      {error?.status === 404 ? (
        <p class="empty">This broker does not look for what is stuck.</p>
      ) : (
        <Failure text={error?.message ?? ""} />
      )}
      {data && data.length === 0 && (
        <p class="empty">Nothing keeps messages from getting on{chosen !== "" && ` in ${chosen}`}.</p>
      )}
      {groups.map(([kind, findings]) => (
        <Group key={kind} kind={kind} of={findings} />
      ))}
    </>
  );
}

/** The findings by kind, in the order of the API: the gravest first. */
export function grouped(findings: Finding[]): [string, Finding[]][] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const others = groups.get(finding.kind);
    if (others) others.push(finding);
    else groups.set(finding.kind, [finding]);
  }
  return [...groups];
}

interface Kind {
  title: string;
  /** What it means, and what helps. */
  advice: string;
  isGrave?: boolean;
}

const KINDS: Record<string, Kind> = {
  alarm: {
    title: "Alarms",
    advice: "Publishers wait until there is room again: consume messages, or give the broker more.",
    isGrave: true,
  },
  blocked_connection: {
    title: "Connections that wait for an alarm to end",
    advice: "They go on by themselves when the alarm is over.",
    isGrave: true,
  },
  no_consumers: {
    title: "Queues that nobody consumes",
    advice: "Start a consumer, move the messages to a queue that has one, or purge them.",
  },
  no_credit: {
    title: "Consumers that may not get more",
    advice:
      "They have as many messages as their prefetch allows, and do not acknowledge them. Look at what they hold.",
  },
  unacked: {
    title: "Messages unacknowledged for long",
    advice:
      "The consumer may be stuck, or have forgotten to acknowledge. Closing its connection gives them back.",
  },
  redelivered: {
    title: "Messages that come again and again",
    advice:
      "A consumer fails on them, or gives them back. A delivery limit with a dead letter exchange ends the loop.",
  },
  old_messages: {
    title: "Old messages",
    advice: "The queue is not worked off: there may be too few consumers, or they are too slow.",
  },
  full: {
    title: "Full queues",
    advice: "They drop or refuse messages. Consume them faster, or raise the limit.",
    isGrave: true,
  },
  unroutable: {
    title: "Messages that found no queue",
    advice: "A binding may be missing. Ask where such a message would go, or give the exchange an alternate.",
  },
  channels: {
    title: "Connections with very many channels",
    advice: "A client may open channels and never close them.",
  },
  flow: {
    title: "Connections that are slowed down",
    advice: "They publish faster than the broker takes it, or do not read what waits for them.",
  },
};

function Group({ kind, of }: { kind: string; of: Finding[] }) {
  const { title, advice, isGrave } = KINDS[kind] ?? { title: kind, advice: "" };
  return (
    <section class="part">
      <header>
        <h2>
          {title} <span class="muted">{of.length}</span>
        </h2>
      </header>
      <p class="muted">{advice}</p>
      <ul class={isGrave ? "findings grave" : "findings"}>
        {of.map((finding, index) => (
          <li key={`${finding.vhost} ${finding.name} ${index}`}>
            <p>{visible(finding.text)}</p>
            <p class="remedies">
              <Links of={finding} />
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

const OF_QUEUES = new Set(["no_consumers", "no_credit", "unacked", "redelivered", "old_messages", "full"]);
const OF_CONNECTIONS = new Set(["blocked_connection", "channels", "flow"]);

/** The objects that a finding names, and what can be done about it. */
function Links({ of }: { of: Finding }) {
  const { kind, vhost, name, connection, channel } = of;
  return (
    <>
      {OF_QUEUES.has(kind) && <QueueLinks of={of} />}
      {kind === "unroutable" && <ExchangeLinks of={of} />}
      {OF_CONNECTIONS.has(kind) && <Named what="connection" link={<ConnectionName name={name} />} />}
      {connection && <Named what="connection" link={<ConnectionName name={connection} />} />}
      {channel && <Named what="channel" link={<ChannelName name={channel} />} />}
      {kind === "alarm" && <a href="#/">overview</a>}
      {vhost !== "" && <Named what="in" link={<VhostName name={vhost} />} />}
    </>
  );
}

function Named({ what, link }: { what: string; link: ComponentChildren }) {
  return (
    <span>
      {what} {link}
    </span>
  );
}

function QueueLinks({ of: { kind, vhost, name } }: { of: Finding }) {
  const state = kind === "no_credit" || kind === "unacked" ? "?state=unacked" : "";
  return (
    <>
      <Named what="queue" link={<QueueName vhost={vhost} name={name} />} />
      <a href={`${href("messages", vhost, name)}${state}`}>look at the messages</a>
      <a href={watch("queues", vhost, name)}>watch</a>
    </>
  );
}

function ExchangeLinks({ of: { vhost, name } }: { of: Finding }) {
  const asked = new URLSearchParams({ exchange: name || "amq.default" });
  return (
    <>
      <Named what="exchange" link={<ExchangeName vhost={vhost} name={name} />} />
      <a href={`${href("topology", vhost)}?${asked}`}>where would it go?</a>
      <a href={watch("exchanges", vhost, name)}>watch</a>
    </>
  );
}
