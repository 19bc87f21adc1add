/** Where a message would go, and why: the answer of the API, with its names as links. */
import { count, duration, visible } from "../format.ts";
import type {
  BindingTold,
  DeadLettersTold,
  ExchangeTold,
  QueueTold,
  SettingTold,
  Explanation as Told,
} from "../message-types.ts";
import { href } from "../router.ts";
import type { Arguments } from "../types.ts";
import { ExchangeName, QueueName } from "./facts.tsx";

export function Explanation({ of }: { of: Told }) {
  return (
    <div class="explanation">
      <p role="status">
        <Outcome of={of} />
      </p>
      {of.exchanges.map((exchange, index) => (
        <Exchange key={index} of={exchange} vhost={of.vhost} />
      ))}
      {of.reached.map((queue) => (
        <section key={queue.name}>
          <h3>
            Queue <QueueName vhost={of.vhost} name={queue.name} />
          </h3>
          <QueueFacts of={queue} vhost={of.vhost} />
        </section>
      ))}
    </div>
  );
}

function Outcome({ of }: { of: Told }) {
  if (of.refusal) {
    const { code, text, nearest } = of.refusal;
    return (
      <>
        <b class="bad">Refused</b> with {code}: {text}
        <Meant names={nearest} />
      </>
    );
  }
  if (of.outcome === "unroutable")
    return (
      <>
        <b class="bad">Not routed</b>: it reaches no queue. It is dropped, and returned to its publisher if it
        is mandatory.
      </>
    );
  const names = [...of.queues, ...of.reply_queues];
  return (
    <>
      <b class="good">{of.by_chance ? "May reach" : "Reaches"}</b>{" "}
      {names.length === 1 ? "1 queue: " : `${count(names.length)} queues: `}
      <Names names={of.queues} vhost={of.vhost} />
      {of.reply_queues.length > 0 && <span class="mono"> {of.reply_queues.join(", ")}</span>}
      {of.by_chance && ", as chance decides"}
      {of.copies_to.length > 0 && (
        <span class="muted">
          {" "}
          (copies with the {of.copies_to.length === 1 ? "key" : "keys"}{" "}
          <span class="mono">{of.copies_to.join(", ")}</span>)
        </span>
      )}
    </>
  );
}

const NAMES_SHOWN = 12;

function Names({ names, vhost }: { names: string[]; vhost: string }) {
  const shown = names.slice(0, NAMES_SHOWN);
  return (
    <>
      {shown.map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          <QueueName vhost={vhost} name={name} />
        </span>
      ))}
      {names.length > shown.length && ` and ${count(names.length - shown.length)} more`}
    </>
  );
}

function Meant({ names }: { names: string[] }) {
  return names.length > 0 ? (
    <>
      {" "}
      Did you mean <span class="mono">{names.join(", ")}</span>?
    </>
  ) : null;
}

// --- exchanges

function Exchange({ of, vhost }: { of: ExchangeTold; vhost: string }) {
  const { bindings, alternate } = of;
  return (
    <section>
      <h3>
        Exchange <ExchangeName vhost={vhost} name={of.name} />{" "}
        <span class="muted">
          {of.type}, {of.came_by}
          {of.after_ms > 0 && ` after ${duration(of.after_ms)}`}
        </span>
      </h3>
      {of.remark && <p class="muted">{of.remark}</p>}
      {of.delay_ms > 0 && <p>It waits here for {duration(of.delay_ms)}.</p>}
      {bindings.length > 0 && (
        <ul class="verdicts">
          {bindings.map((binding, index) => (
            <Verdict key={index} of={binding} vhost={vhost} />
          ))}
        </ul>
      )}
      {bindings.length === 0 && of.left_out === 0 && <p class="muted">Nothing is bound to it.</p>}
      {of.left_out > 0 && (
        <p class="muted">
          {count(of.left_out)} more {of.left_out === 1 ? "binding does" : "bindings do"} not match.
        </p>
      )}
      {of.by_chance && <p>Chance chooses one of the bindings that match.</p>}
      {alternate && (
        <p class={alternate.used ? undefined : "muted"}>
          Alternate exchange <ExchangeName vhost={vhost} name={alternate.exchange} /> ({alternate.said_by}):{" "}
          {alternate.exists
            ? alternate.used
              ? "used, for nothing matches."
              : "not used, for something matches."
            : "it does not exist."}
          <Meant names={alternate.nearest} />
        </p>
      )}
    </section>
  );
}

function Verdict({ of, vhost }: { of: BindingTold; vhost: string }) {
  const { matched, destination, destination_type: kind } = of;
  return (
    <li class={matched ? "matches" : "differs"}>
      <span class="sign" aria-hidden="true">
        {matched ? "✓" : "✗"}
      </span>
      <span class="unseen">{matched ? "Matches: " : "Does not match: "}</span>
      <span>
        <code class="key">{labelOf(of)}</code> →{" "}
        {kind === "queue" ? (
          <QueueName vhost={vhost} name={destination} />
        ) : kind === "exchange" ? (
          <ExchangeName vhost={vhost} name={destination} />
        ) : (
          <span class="mono">{destination}</span>
        )}
        <span class="reason">
          {of.reason}
          <Meant names={of.nearest} />
        </span>
      </span>
    </li>
  );
}

function labelOf({ routing_key: key, arguments: given }: BindingTold): string {
  const said = Object.entries(given).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const parts = [key, said.length > 0 ? `{${said.join(", ")}}` : ""].filter((part) => part !== "");
  return visible(parts.join(" ")) || "(empty)";
}

// --- queues

const FATES: Record<QueueTold["fate"], string> = {
  taken: "",
  refused: "It is full: the message is refused.",
  duplicate: "It has such a message already: this one is dropped as a duplicate.",
  "drops-head": "It is full: for this message the first one is dropped.",
};

function QueueFacts({ of, vhost }: { of: QueueTold; vhost: string }) {
  const numbers: [string, string | undefined][] = [
    ["TTL", setting(of.ttl_ms, (value) => duration(Number(value)))],
    ["Deleted when unused for", setting(of.expires_ms, (value) => duration(Number(value)))],
    ["Length limit", setting(of.max_length, (value) => `${count(Number(value))} messages`)],
    ["Size limit", setting(of.max_length_bytes, (value) => `${count(Number(value))} bytes`)],
    ["When full", setting(of.overflow, String)],
  ];
  return (
    <>
      <p>
        {of.after_ms > 0 && `After ${duration(of.after_ms)}. `}
        {count(of.ready)} ready, {count(of.unacked)} unacknowledged,{" "}
        {of.consumers === 0
          ? "no consumer"
          : `${count(of.consumers)} ${of.consumers === 1 ? "consumer" : "consumers"}`}
        . {FATES[of.fate] && <b class="bad">{FATES[of.fate]}</b>}
      </p>
      {numbers.some(([, value]) => value !== undefined) && (
        <ul class="muted">
          {numbers.map(([name, value]) => value !== undefined && <li key={name}>{`${name}: ${value}`}</li>)}
        </ul>
      )}
      {of.dead_letters && <DeadLetters of={of.dead_letters} vhost={vhost} />}
    </>
  );
}

/** The words of a setting, and who says so. */
function setting(told: SettingTold | null, words: (value: number | string) => string): string | undefined {
  if (told === null) return undefined;
  const others = told.others.map(({ value, said_by: by }) => `${by}: ${words(value)}`);
  return `${words(told.value)} (${told.said_by}${others.length > 0 ? `; not ${others.join(", ")}` : ""})`;
}

function DeadLetters({ of, vhost }: { of: DeadLettersTold; vhost: string }) {
  return (
    <div class="dead-letters">
      <p>
        Dead letters go to <ExchangeName vhost={vhost} name={of.exchange} />{" "}
        {of.routing_key === null ? (
          "with their own key"
        ) : (
          <>
            with the key <code>{of.routing_key}</code>
          </>
        )}{" "}
        <span class="muted">({of.exchange_said_by})</span>
        {!of.exists && (
          <b class="bad">
            , which does not exist: they are lost.
            <Meant names={of.nearest} />
          </b>
        )}
      </p>
      {of.exists && of.is_followed && of.queues.length === 0 && of.back_to.length === 0 && (
        <p class="bad">From there they reach no queue: they are lost.</p>
      )}
      {of.queues.map((queue) => (
        <section key={queue.name}>
          <h4>
            Queue <QueueName vhost={vhost} name={queue.name} />
          </h4>
          <QueueFacts of={queue} vhost={vhost} />
        </section>
      ))}
      {of.back_to.length > 0 && (
        <p class="warn">
          Back to <Names names={of.back_to} vhost={vhost} />: a cycle, in which a message is dropped unless a
          client rejects it on the way.
        </p>
      )}
      {of.left_out > 0 && <p class="muted">{count(of.left_out)} more queues.</p>}
    </div>
  );
}

interface PictureLinkProps {
  of: Told;
  headers: Arguments;
}

/** The link to the picture in which the way is lit. */
export function PictureLink({ of: { vhost, exchange, routing_key: key }, headers }: PictureLinkProps) {
  const search = new URLSearchParams({ exchange: exchange || "amq.default", routing_key: key });
  if (Object.keys(headers).length > 0) search.set("headers", JSON.stringify(headers));
  return <a href={`${href("topology", vhost)}?${search}`}>See it in the picture</a>;
}
