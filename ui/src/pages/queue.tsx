/** One queue. */
import type { ComponentChildren } from "preact";
import { at, remove } from "../api.ts";
import { BindFrom, Bindings } from "../components/bindings.tsx";
import { RangeChoice, samplesOf } from "../components/chart.tsx";
import { ConsumersTable } from "../components/consumers.tsx";
import { DialogButton } from "../components/dialog.tsx";
import { Effective } from "../components/effective.tsx";
import { ConnectionName, Facts, Heading, Section, State, VhostName } from "../components/facts.tsx";
import { CheckField, Confirm, Failure, Form } from "../components/form.tsx";
import { Missing } from "../components/missing.tsx";
import { PairRates } from "../components/pair-rates.tsx";
import { QueueTabs } from "../components/queue-tabs.tsx";
import { type Curve, LengthsChart, RatesChart } from "../components/rates.tsx";
import { ago, bytes, count, plural, time } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import { go, href } from "../router.ts";
import type { Queue } from "../types.ts";

const CURVES: Curve[] = [
  ["published", "publish"],
  ["delivered", "deliver"],
  ["delivered, no acks", "deliver_no_ack"],
  ["acknowledged", "ack"],
  ["redelivered", "redeliver"],
  ["got one by one", "get"],
  ["got, no acks", "get_no_ack"],
];

export function QueuePage({ vhost, name }: { vhost: string; name: string }) {
  const path = at`/queues/${vhost}/${name}`;
  const { data: queue, error } = useLive<Queue>(`${path}?${samplesOf("lengths", "msg_rates")}`);
  if (error?.status === 404)
    return <Missing what="queue" name={name} list="queues" wasThere={queue !== undefined} />;
  if (queue === undefined) return <Failure text={error?.message ?? ""} />;
  return (
    <>
      <Heading
        kind="Queue"
        title={name}
        tools={
          <>
            <RangeChoice />
            {queue.type !== "stream" && <Purge queue={queue} />}
            <Delete queue={queue} />
          </>
        }
      />
      <QueueTabs vhost={vhost} name={name} current="overview" />
      <Failure text={error?.message ?? ""} />
      <Facts of={factsOf(queue)} />
      <div class="charts">
        <LengthsChart
          ready={queue.messages_ready_details}
          unacked={queue.messages_unacknowledged_details}
          readyNow={queue.messages_ready}
          unackedNow={queue.messages_unacknowledged}
        />
        <RatesChart counters={queue.message_stats} curves={CURVES} />
      </div>
      <PairRates
        title="Where messages come from"
        id="sources-of-queue"
        rows={queue.incoming}
        end="exchange"
        of="routes"
        empty="No exchange has routed anything to it."
      />
      <PairRates
        title="Who gets them"
        id="takers-of-queue"
        rows={queue.deliveries}
        end="channel"
        of="deliveries"
        empty="No channel that is open has got anything."
      />
      <Section title="Arguments and policy">
        <Effective of={queue} />
      </Section>
      <ConsumersTable
        title="Consumers"
        id="consumers-of-queue"
        rows={queue.consumer_details ?? []}
        hides="queue"
        empty="No consumer takes messages of this queue."
      />
      <Bindings
        title="Bindings"
        id="bindings-of-queue"
        label="Bindings of the queue"
        path={`${path}/bindings`}
        other="source"
        empty="Nothing is bound to this queue."
        tools={<BindFrom vhost={vhost} kind="queue" name={name} />}
      />
    </>
  );
}

function factsOf(queue: Queue): [string, ComponentChildren][] {
  const facts = queue.type === "stream" ? factsOfStream(queue) : factsOfMessages(queue);
  return [...factsOfAll(queue), ...facts];
}

function factsOfAll(queue: Queue): [string, ComponentChildren][] {
  const owner = queue.owner_pid_details?.name;
  return [
    ["Virtual host", <VhostName key="vhost" name={queue.vhost} />],
    ["Type", queue.type],
    ["State", <State key="state" of={queue.state} />],
    ["Durable", queue.durable ? "yes" : "no: gone after a restart"],
    ["Auto-delete", queue.auto_delete ? "yes: gone with its last consumer" : undefined],
    ["Exclusive to", owner && <ConnectionName name={owner} />],
    ["Consumers", count(queue.consumers)],
  ];
}

function factsOfStream(queue: Queue): [string, ComponentChildren][] {
  return [
    ["Messages", count(queue.messages)],
    ["Segments", queue.segments === undefined ? undefined : count(queue.segments)],
  ];
}

function factsOfMessages(queue: Queue): [string, ComponentChildren][] {
  const active = queue.single_active_consumer_tag;
  const head = queue.head_message_timestamp;
  const onDisk = queue.messages_paged_out ?? 0;
  return [
    ["Ready", <Amount key="ready" value={queue.messages_ready} size={queue.message_bytes_ready} />],
    [
      "Unacknowledged",
      <Amount
        key="unacked"
        value={queue.messages_unacknowledged}
        size={queue.message_bytes_unacknowledged}
      />,
    ],
    [
      "Persistent",
      <Amount key="persistent" value={queue.messages_persistent} size={queue.message_bytes_persistent} />,
    ],
    ["On disk only", onDisk > 0 ? count(onDisk) : undefined],
    ["Delivered at once", takes(queue)],
    ["Active consumer", active ? <span class="mono">{active}</span> : undefined],
    ["Oldest message", head ? `${ago(head * 1000)} (its timestamp)` : undefined],
    ["Idle since", queue.idle_since ? time(Date.parse(queue.idle_since)) : undefined],
    ["Memory", bytes(queue.memory)],
  ];
}

function takes(queue: Queue): string | undefined {
  if (!queue.consumers) return undefined;
  return queue.consumer_capacity
    ? "yes: a consumer has room"
    : "no: all consumers have as many as they may have unacknowledged";
}

function Amount({ value, size }: { value: number | undefined; size: number | undefined }) {
  return (
    <>
      <span class="mono">{count(value)}</span> {size ? <span class="muted">{bytes(size)}</span> : null}
    </>
  );
}

// --- purge, delete

function Purge({ queue }: { queue: Queue }) {
  const { vhost, name, messages_ready: ready = 0, messages_unacknowledged: unacked = 0 } = queue;
  return (
    <DialogButton label="Purge…" kind="danger" title={`Purge ${name}?`}>
      {(close) => (
        <Confirm
          verb="Purge"
          onCancel={close}
          losses={[`${plural(ready, "ready message")} ${ready === 1 ? "is" : "are"} lost.`]}
          action={async () => {
            await remove(at`/queues/${vhost}/${name}/contents`);
            close();
            say(`${name} is purged.`);
          }}
        >
          {unacked > 0 && (
            <p>
              {`${plural(unacked, "unacknowledged message")} ${unacked === 1 ? "stays" : "stay"} with the consumers.`}
            </p>
          )}
        </Confirm>
      )}
    </DialogButton>
  );
}

function Delete({ queue }: { queue: Queue }) {
  const { vhost, name, messages = 0, consumers = 0 } = queue;
  return (
    <DialogButton label="Delete…" kind="danger" title={`Delete the queue ${name}?`}>
      {(close) => (
        <Form
          verb="Delete"
          kind="danger"
          onCancel={close}
          action={async (values) => {
            const conditions = ["if-empty", "if-unused"]
              .filter((each) => values.flag(each))
              .map((each) => `${each}=true`);
            await remove(
              `${at`/queues/${vhost}/${name}`}${conditions.length > 0 ? `?${conditions.join("&")}` : ""}`,
            );
            close();
            say(`The queue ${name} is deleted.`);
            go(href("queues"));
          }}
        >
          <ul class="losses">
            <li>
              {messages > 0
                ? `${plural(messages, "message")} in it ${messages === 1 ? "is" : "are"} lost.`
                : "It is empty."}
            </li>
            <li>
              {consumers > 0
                ? `${plural(consumers, "consumer")} ${consumers === 1 ? "is" : "are"} cancelled.`
                : "It has no consumers."}
            </li>
            <li>Its bindings are gone.</li>
          </ul>
          <CheckField label="Only if it is empty" name="if-empty" value={messages === 0} />
          <CheckField label="Only if it has no consumers" name="if-unused" value={consumers === 0} />
          <p class="muted">This cannot be undone.</p>
        </Form>
      )}
    </DialogButton>
  );
}
