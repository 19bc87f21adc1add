/** The broker as a whole. */
import type { ComponentChildren } from "preact";
import { put } from "../api.ts";
import { Chart, RangeChoice, samplesOf } from "../components/chart.tsx";
import { DialogButton } from "../components/dialog.tsx";
import { Facts, Heading, Section, Tag } from "../components/facts.tsx";
import { Failure, Form, TextField } from "../components/form.tsx";
import { type Curve, LengthsChart, RatesChart } from "../components/rates.tsx";
import { bytes, count, duration, micros, short } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import { href } from "../router.ts";
import { isAdministrator, isMonitor } from "../session.ts";
import type { Listener, NodeFacts, Overview } from "../types.ts";
import { detailsOf, levels, numberAt } from "../values.ts";
import { Definitions } from "./definitions.tsx";

export function OverviewPage() {
  const samples = samplesOf("lengths", "msg_rates", "node_stats");
  const { data: overview, error } = useLive<Overview>(`/overview?${samples}`);
  const { data: nodes } = useLive<NodeFacts[]>(
    isMonitor.value ? `/nodes?event_loop_lag=true&${samples}` : null,
  );
  if (overview === undefined) return <Failure text={error?.message ?? ""} />;
  const node = nodes?.[0];
  return (
    <>
      <Heading title="Overview" tools={<RangeChoice />} />
      <Failure text={error?.message ?? ""} />
      {node && <Alarms node={node} />}
      <Totals overview={overview} />
      {overview.disable_stats ? (
        <p class="muted">Statistics are switched off by the broker's settings.</p>
      ) : (
        <Charts overview={overview} node={node} />
      )}
      <div class="columns">
        <NodePart overview={overview} node={node} />
        {overview.listeners && <Listeners of={overview.listeners} />}
      </div>
      {isAdministrator.value && <Definitions />}
    </>
  );
}

// --- alarms

function Alarms({ node }: { node: NodeFacts }) {
  const alarms: string[] = [];
  if (node.mem_alarm) {
    alarms.push(
      `Memory is short: ${bytes(node.mem_used)} are used, and ${bytes(node.mem_limit)} is the high watermark. Connections that publish are blocked until less is used.`,
    );
  }
  if (node.disk_free_alarm) {
    alarms.push(
      `Disk is short: ${bytes(node.disk_free)} are free, and ${bytes(node.disk_free_limit)} is the low watermark. Connections that publish are blocked until more is free.`,
    );
  }
  return (
    <div role="alert">
      {alarms.map((text) => (
        <p class="alarm" key={text}>
          {text}
        </p>
      ))}
    </div>
  );
}

// --- numbers

function Totals({ overview }: { overview: Overview }) {
  const { queue_totals: queues, object_totals: objects } = overview;
  const totals: [string, number | undefined, string][] = [
    [
      "ready",
      numberAt(queues, "messages_ready") ?? 0,
      `${href("queues")}?sort=messages_ready&sort_reverse=true`,
    ],
    [
      "unacknowledged",
      numberAt(queues, "messages_unacknowledged") ?? 0,
      `${href("queues")}?sort=messages_unacknowledged&sort_reverse=true`,
    ],
    ["queues", objects.queues, href("queues")],
    ["exchanges", objects.exchanges, href("exchanges")],
    ["connections", objects.connections, href("connections")],
    ["channels", objects.channels, href("channels")],
    ["consumers", objects.consumers, href("consumers")],
  ];
  return (
    <ul class="totals" aria-label="Totals">
      {totals
        .filter(([, amount]) => amount !== undefined)
        .map(([name, amount, address]) => (
          <li key={name}>
            <a href={address}>
              <span class="mono amount">{count(amount)}</span> {name}
            </a>
          </li>
        ))}
    </ul>
  );
}

const CHURN: Curve[] = [
  ["connections opened", "connection_created"],
  ["connections closed", "connection_closed"],
  ["channels opened", "channel_created"],
  ["channels closed", "channel_closed"],
  ["queues created", "queue_created"],
  ["queues deleted", "queue_deleted"],
];

function Charts({ overview, node }: { overview: Overview; node: NodeFacts | undefined }) {
  const { queue_totals: queues, message_stats: stats, churn_rates: churn } = overview;
  return (
    <div class="charts">
      <LengthsChart
        ready={detailsOf(queues, "messages_ready")}
        unacked={detailsOf(queues, "messages_unacknowledged")}
        readyNow={numberAt(queues, "messages_ready")}
        unackedNow={numberAt(queues, "messages_unacknowledged")}
      />
      <RatesChart counters={stats} />
      {node && <NodeCharts node={node} />}
      <RatesChart title="Coming and going, per second" counters={churn} curves={CHURN} />
    </div>
  );
}

function NodeCharts({ node }: { node: NodeFacts }) {
  const { mem_used: used, mem_limit: limit, disk_free: free, disk_free_limit: least } = node;
  const { event_loop_lag_us: lag } = node;
  return (
    <>
      <Chart
        title="Memory"
        series={[{ name: "used", points: levels(node.mem_used_details), now: used }]}
        marks={limit ? [{ name: "high watermark", value: limit }] : []}
        format={bytes}
        isBytes
      />
      <Chart
        title="Disk"
        series={[{ name: "free", points: levels(node.disk_free_details), now: free }]}
        marks={least ? [{ name: "low watermark", value: least }] : []}
        format={bytes}
        isBytes
      />
      <Chart
        title="Connections"
        series={[{ name: "open", points: levels(node.sockets_used_details), now: node.sockets_used }]}
        format={count}
        axis={short}
        top={4}
      />
      {lag !== undefined && (
        <Chart
          title="Event loop lag"
          series={[{ name: "longest round", points: levels(node.event_loop_lag_us_details), now: lag }]}
          format={micros}
          top={1000}
        />
      )}
    </>
  );
}

// --- the node

function NodePart({ overview, node }: { overview: Overview; node: NodeFacts | undefined }) {
  const [software, python] = overview.erlang_full_version.split(/ on |, in place/);
  const facts: [string, ComponentChildren][] = [
    ["Cluster name", <ClusterName key="name" name={overview.cluster_name} />],
    ["Node", overview.node && <span class="mono">{overview.node}</span>],
    ["Broker", software],
    ["Answers as", `${overview.product_name} ${overview.rabbitmq_version}`],
    ["Runs on", python],
    ["Up for", node?.uptime === undefined ? undefined : duration(node.uptime)],
    ["Process", node?.os_pid && <span class="mono">{node.os_pid}</span>],
    [
      "Data",
      node === undefined ? undefined : node.db_dir ? (
        <span class="mono">{node.db_dir}</span>
      ) : (
        "in memory only: a stop loses all"
      ),
    ],
    ["Files open", node && `${count(node.fd_used)} of ${count(node.fd_total)}`],
    [
      "Sockets",
      node?.sockets_total === undefined
        ? undefined
        : `${count(node.sockets_used)} of ${count(node.sockets_total)}`,
    ],
    ["Processors", node && count(node.processors)],
  ];
  return (
    <Section title="Node">
      <Facts of={facts} />
    </Section>
  );
}

function ClusterName({ name }: { name: string }) {
  return (
    <>
      <span class="mono">{name}</span>{" "}
      {isAdministrator.value && (
        <DialogButton label="Rename" kind="quiet" title="Rename the cluster">
          {(close) => (
            <Form
              verb="Rename"
              onCancel={close}
              action={async (values) => {
                await put("/cluster-name", { name: values.text("name") });
                close();
                say(`The cluster is called ${values.text("name")} now.`);
              }}
            >
              <TextField
                label="Name"
                name="name"
                value={name}
                required
                autofocus
                hint="Clients are told it when they connect."
              />
            </Form>
          )}
        </DialogButton>
      )}
    </>
  );
}

function Listeners({ of }: { of: Listener[] }) {
  return (
    <Section title="Listens on">
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">Protocol</th>
            <th scope="col">Address</th>
            <th scope="col" class="number">
              Port
            </th>
          </tr>
        </thead>
        <tbody>
          {of.map(({ protocol, ip_address, port, tls }) => (
            <tr key={`${protocol} ${ip_address} ${port}`}>
              <th scope="row">
                {protocol} {tls && <Tag short="TLS" />}
              </th>
              <td class="mono">{ip_address}</td>
              <td class="mono number">{port}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
