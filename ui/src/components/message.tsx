/** A message: where it comes from, its properties and headers, its body, and how it died. */
import type { ComponentChildren } from "preact";
import { ago, count, duration, inline, time } from "../format.ts";
import type { Death, Message } from "../message-types.ts";
import { deathsOf, headersOf, isAboutDeath, whyDied } from "../messages/deaths.ts";
import { legible } from "../messages/payload.ts";
import type { Json } from "../types.ts";
import { ChannelName, ExchangeName, Facts, QueueName } from "./facts.tsx";
import { Payload } from "./payload.tsx";

interface Props {
  of: Message;
  vhost: string;
  /** Where it is now. */
  queue?: string;
  children?: ComponentChildren;
}

export function MessageView({ of, vhost, queue, children }: Props) {
  const headers = headersOf(of);
  const deaths = deathsOf(headers);
  const own = Object.entries(headers).filter(([name]) => deaths.length === 0 || !isAboutDeath(name));
  const properties = Object.entries(of.properties).filter(
    (entry): entry is [string, Json] => entry[0] !== "headers" && entry[1] !== undefined,
  );
  return (
    <article class="message">
      {children}
      <div class="message-facts">
        <section>
          <h2>Message</h2>
          <Facts of={factsOf(of, vhost)} />
        </section>
        <section>
          <h2>Properties</h2>
          <Pairs of={properties} empty="None." label="Properties" />
        </section>
        <section>
          <h2>Headers</h2>
          <Pairs of={own} empty="None." label="Headers" isTyped />
        </section>
      </div>
      {deaths.length > 0 && <Deaths of={of} deaths={deaths} vhost={vhost} queue={queue} />}
      <section>
        <h2>Body</h2>
        <Payload of={of} name={nameOfFile(of)} />
      </section>
    </article>
  );
}

function nameOfFile(of: Message): string {
  const id = Array.isArray(of.properties) ? undefined : of.properties.message_id;
  const name = typeof id === "string" && /^[\w.-]{1,60}$/.test(id) ? id : `message-${of.position ?? "body"}`;
  return name;
}

function factsOf(of: Message, vhost: string): [string, ComponentChildren][] {
  const channel = of.channel_details?.name;
  return [
    ["Exchange", <ExchangeName key="exchange" vhost={vhost} name={of.exchange} />],
    ["Routing key", <Text key="key" of={of.routing_key} />],
    ["Redelivered", of.redelivered ? "yes: it was delivered before, and came back" : undefined],
    ["Age", of.age === undefined ? undefined : `${duration(of.age)} since its timestamp`],
    ["Expires", of.ttl === undefined ? undefined : `in ${duration(of.ttl)}`],
    ["Tried again", of.retry_in === undefined ? undefined : `in ${duration(of.retry_in)}`],
    ["Channel", channel === undefined ? undefined : <ChannelName key="channel" name={channel} />],
    ["Consumer", of.consumer_tag === undefined ? undefined : <Text key="tag" of={of.consumer_tag} />],
    ["Delivery tag", of.delivery_tag === undefined ? undefined : String(of.delivery_tag)],
  ];
}

function Text({ of }: { of: string }) {
  if (of === "") return <span class="muted">(empty)</span>;
  return (
    <span class="mono">
      {legible(of).map(({ kind, text }, index) =>
        kind === "escape" ? (
          <span key={index} class="piece escape">
            {text}
          </span>
        ) : (
          text
        ),
      )}
    </span>
  );
}

// --- properties and headers

function Pairs({
  of,
  empty,
  label,
  isTyped,
}: {
  of: [string, Json][];
  empty: string;
  label: string;
  isTyped?: boolean;
}) {
  if (of.length === 0) return <p class="muted">{empty}</p>;
  return (
    <table class="plain pairs" aria-label={label}>
      <tbody>
        {of.map(([name, value]) => (
          <tr key={name}>
            <th scope="row" class="mono">
              <Text of={name} />
            </th>
            <td class="value">
              <Text of={inline(value)} />
              {isTyped && typeof value !== "string" && <span class="muted"> {typeOf(value)}</span>}
              {!isTyped && <Meaning name={name} value={value} />}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function typeOf(value: Json): string {
  if (value === null) return "";
  return Array.isArray(value) ? "list" : typeof value;
}

function Meaning({ name, value }: { name: string; value: Json }) {
  const words = meaningOf(name, value);
  return words === "" ? null : <span class="muted"> {words}</span>;
}

function meaningOf(name: string, value: Json): string {
  if (name === "delivery_mode") return value === 2 ? "persistent" : "not persistent: gone after a restart";
  if (name === "timestamp" && typeof value === "number") return `${time(value * 1000)}, ${ago(value * 1000)}`;
  if (name === "expiration" && /^\d+$/.test(String(value))) return duration(Number(value));
  return "";
}

// --- deaths

/** The way of a message that died, perhaps again and again, from where it was published to where it is. */
function Deaths({
  of,
  deaths,
  vhost,
  queue,
}: {
  of: Message;
  deaths: Death[];
  vhost: string;
  queue?: string;
}) {
  const last = deaths.at(-1);
  const times = deaths.reduce((sum, death) => sum + death.count, 0);
  return (
    <section>
      <h2>
        {times === 1 ? "Died once: " : `Died ${count(times)} times, the last time because `}
        {last && whyDied({ ...last, count: 1 })}
      </h2>
      <ol class="deaths">
        {deaths.map((death, index) => (
          <li key={index}>
            <p>
              {index === 0 ? "published to " : "sent to "}
              <ExchangeName vhost={vhost} name={death.exchange} /> with{" "}
              <code>{death.routingKeys.join(", ") || "(empty)"}</code> → <b>queue</b>{" "}
              <QueueName vhost={vhost} name={death.queue} />
            </p>
            <p class="why">
              <span class="bad">✝ {death.reason}</span>: {whyDied(death)}
              {death.at !== undefined && (
                <span class="muted">
                  {" "}
                  {death.count > 1 ? "first " : ""}
                  {time(death.at)}, {ago(death.at)}
                </span>
              )}
            </p>
          </li>
        ))}
        <li>
          <p>
            sent to <ExchangeName vhost={vhost} name={of.exchange} /> with{" "}
            <code>{of.routing_key || "(empty)"}</code>
            {queue !== undefined && (
              <>
                {" "}
                → <b>queue</b> <QueueName vhost={vhost} name={queue} />, where it is now
              </>
            )}
          </p>
        </li>
      </ol>
    </section>
  );
}
