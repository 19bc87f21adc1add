/** Channels: the list, and one of them. */
import type { ComponentChildren } from "preact";
import { at } from "../api.ts";
import { ChannelsTable } from "../components/channels.tsx";
import { RangeChoice, samplesOf } from "../components/chart.tsx";
import { ConsumersTable } from "../components/consumers.tsx";
import { ConnectionName, Facts, Heading, State, UserName, VhostName } from "../components/facts.tsx";
import { Failure } from "../components/form.tsx";
import { Missing } from "../components/missing.tsx";
import { PairRates } from "../components/pair-rates.tsx";
import { RatesChart } from "../components/rates.tsx";
import { scopedBelow } from "../components/scope.ts";
import { count, time } from "../format.ts";
import { useLive } from "../live.ts";
import { vhostFilter } from "../preferences.ts";
import type { Channel } from "../types.ts";

export function ChannelsPage({ names }: { names: string[] }) {
  const [name] = names;
  if (name !== undefined) return <One name={name} />;
  return (
    <>
      <Heading title="Channels" />
      <ChannelsTable
        id="channels"
        path={scopedBelow("/channels")}
        isInAddress
        hidesVhost={vhostFilter.value !== ""}
        empty="No client has opened a channel."
      />
    </>
  );
}

function One({ name }: { name: string }) {
  const { data: channel, error } = useLive<Channel>(`${at`/channels/${name}`}?${samplesOf("msg_rates")}`);
  if (error?.status === 404)
    return <Missing what="channel" name={name} list="channels" wasThere={channel !== undefined} />;
  if (channel === undefined) return <Failure text={error?.message ?? ""} />;
  return (
    <>
      <Heading kind="Channel" title={name} tools={<RangeChoice />} />
      <Failure text={error?.message ?? ""} />
      <Facts of={factsOf(channel)} />
      <div class="charts">
        <RatesChart counters={channel.message_stats} />
      </div>
      <PairRates
        title="Publishes to"
        id="publishes-of-channel"
        rows={channel.publishes}
        end="exchange"
        of="publishes"
        empty="It has published nothing."
      />
      <PairRates
        title="Gets messages of"
        id="deliveries-of-channel"
        rows={channel.deliveries}
        end="queue"
        of="deliveries"
        empty="It has got no message."
      />
      <ConsumersTable
        title="Consumers"
        id="consumers-of-channel"
        rows={channel.consumer_details ?? []}
        hides="channel"
        empty="Nothing is consumed on this channel."
      />
    </>
  );
}

function factsOf(channel: Channel): [string, ComponentChildren][] {
  const details = Array.isArray(channel.connection_details) ? undefined : channel.connection_details;
  const limit = (value: number | undefined) => (value === 0 ? "no limit" : count(value));
  return [
    ["Connection", details?.name ? <ConnectionName name={details.name} /> : undefined],
    ["User", channel.user === undefined ? undefined : <UserName name={channel.user} />],
    ["Virtual host", channel.vhost === undefined ? undefined : <VhostName name={channel.vhost} />],
    ["State", <State key="state" of={channel.state} />],
    [
      "Publishing",
      channel.transactional ? "in transactions" : channel.confirm ? "with confirms" : "without confirms",
    ],
    ["Unacknowledged", count(channel.messages_unacknowledged)],
    ["Unconfirmed", channel.confirm ? count(channel.messages_unconfirmed) : undefined],
    [
      "Uncommitted",
      channel.transactional
        ? `${count(channel.messages_uncommitted)} messages, ${count(channel.acks_uncommitted)} acks`
        : undefined,
    ],
    ["Prefetch", `${limit(channel.prefetch_count)} for each consumer`],
    ["Prefetch of all", limit(channel.global_prefetch_count)],
    ["Idle since", channel.idle_since ? time(Date.parse(channel.idle_since)) : undefined],
  ];
}
