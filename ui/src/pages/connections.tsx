/** Connections: the list, and one of them. */
import type { ComponentChildren } from "preact";
import { at, send } from "../api.ts";
import { ChannelsTable } from "../components/channels.tsx";
import { Chart, RangeChoice, samplesOf } from "../components/chart.tsx";
import { DialogButton } from "../components/dialog.tsx";
import {
  ConnectionName,
  Facts,
  Heading,
  Section,
  State,
  Tag,
  UserName,
  VhostName,
} from "../components/facts.tsx";
import { Failure, Form, TextField } from "../components/form.tsx";
import { Missing } from "../components/missing.tsx";
import { scopedBelow } from "../components/scope.ts";
import { type Column, Table } from "../components/table.tsx";
import { bytes, count, inline, plural, time } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import { vhostFilter } from "../preferences.ts";
import { go, href } from "../router.ts";
import { isAdministrator, user } from "../session.ts";
import type { Connection, Json } from "../types.ts";
import { numberAt, rates } from "../values.ts";

export function ConnectionsPage({ names }: { names: string[] }) {
  const [name] = names;
  return name !== undefined ? <One name={name} /> : <List />;
}

function perSecond(value: number | undefined | null): string {
  return value === undefined || value === null ? "–" : `${bytes(value)}/s`;
}

function List() {
  return (
    <>
      <Heading title="Connections" />
      <Table<Connection>
        id="connections"
        label="Connections"
        path={scopedBelow("/connections")}
        columns={vhostFilter.value === "" ? COLUMNS : COLUMNS.filter(({ key }) => key !== "vhost")}
        needs={["name"]}
        rowKey={({ name }) => name}
        nameOf={({ name }) => name}
        empty={<p>No client is connected. The overview says where the broker listens.</p>}
      />
    </>
  );
}

const COLUMNS: Column<Connection>[] = [
  { key: "name", title: "Name", cell: ({ name }) => <ConnectionName name={name} /> },
  { key: "user_provided_name", title: "Client name", width: 22 },
  {
    key: "vhost",
    title: "Virtual host",
    width: 14,
    cell: ({ vhost }) => vhost !== undefined && <VhostName name={vhost} />,
  },
  {
    key: "user",
    title: "User",
    width: 12,
    cell: ({ user: name }) => name !== undefined && <UserName name={name} />,
  },
  { key: "state", title: "State", width: 11, cell: ({ state }) => <State of={state} /> },
  { key: "ssl", title: "TLS", width: 7, cell: ({ ssl }) => (ssl ? <Tag short="TLS" /> : "–") },
  { key: "channels", title: "Channels", width: 10, isNumber: true, cell: ({ channels }) => count(channels) },
  {
    key: "recv_oct_details.rate",
    title: "From it",
    hint: "Bytes that come from the client, per second",
    width: 12,
    isNumber: true,
    cell: (row) => perSecond(numberAt(row, "recv_oct_details.rate")),
  },
  {
    key: "send_oct_details.rate",
    title: "To it",
    hint: "Bytes that go to the client, per second",
    width: 12,
    isNumber: true,
    cell: (row) => perSecond(numberAt(row, "send_oct_details.rate")),
  },
  {
    key: "client_properties.product",
    title: "Client",
    width: 26,
    isExtra: true,
    needs: ["client_properties"],
    cell: ({ client_properties: properties }) => clientOf(properties),
  },
  {
    key: "connected_at",
    title: "Since",
    width: 20,
    isExtra: true,
    isNumber: true,
    cell: ({ connected_at: at }) => (at === undefined ? "" : time(at)),
  },
  { key: "protocol", title: "Protocol", width: 14, isExtra: true },
];

function clientOf(properties: Connection["client_properties"]): string {
  const said = [properties?.product, properties?.version].filter((each) => typeof each === "string");
  return said.join(" ");
}

// --- one

function One({ name }: { name: string }) {
  const path = at`/connections/${name}`;
  const { data: connection, error } = useLive<Connection>(`${path}?${samplesOf("data_rates")}`);
  if (error?.status === 404)
    return <Missing what="connection" name={name} list="connections" wasThere={connection !== undefined} />;
  if (connection === undefined) return <Failure text={error?.message ?? ""} />;
  const properties = Object.entries(connection.client_properties ?? {});
  return (
    <>
      <Heading
        kind="Connection"
        title={name}
        tools={
          <>
            <RangeChoice />
            {(isAdministrator.value || connection.user === user.value?.name) && (
              <Close connection={connection} />
            )}
          </>
        }
      />
      <Failure text={error?.message ?? ""} />
      <Facts of={factsOf(connection)} />
      <div class="charts">
        <Chart
          title="Bytes per second"
          series={[
            {
              name: "from the client",
              points: rates(connection.recv_oct_details),
              now: connection.recv_oct_details?.rate,
            },
            {
              name: "to the client",
              points: rates(connection.send_oct_details),
              now: connection.send_oct_details?.rate,
            },
          ]}
          format={perSecond}
          axis={bytes}
          isBytes
          top={100}
        />
      </div>
      <ChannelsTable
        title="Channels"
        id="channels-of-connection"
        path={`${path}/channels`}
        isOfConnection
        empty="It has no open channels."
      />
      <Section title="What the client says of itself">
        <Facts of={properties.map(([key, value]) => [key, <Said key={key} value={value} />])} />
      </Section>
    </>
  );
}

/** Capabilities are an object whose values are all true or false. */
function Said({ value }: { value: Json }) {
  const isFlags =
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((each) => typeof each === "boolean");
  if (!isFlags) return <span class="mono">{inline(value)}</span>;
  const names = Object.entries(value).filter(([, isSet]) => isSet);
  return <>{names.map(([name]) => name.replaceAll("_", " ")).join(", ")}</>;
}

function factsOf(connection: Connection): [string, ComponentChildren][] {
  const {
    vhost,
    user: name,
    ssl,
    connected_at: since,
    timeout,
    frame_max: frame,
    channel_max: most,
  } = connection;
  return [
    [
      "Client name",
      connection.user_provided_name && <span class="mono">{connection.user_provided_name}</span>,
    ],
    ["State", <State key="state" of={connection.state} />],
    ["User", name === undefined ? undefined : <UserName key="user" name={name} />],
    ["Virtual host", vhost === undefined ? undefined : <VhostName key="vhost" name={vhost} />],
    ["From", <span class="mono" key="peer">{`${connection.peer_host}:${connection.peer_port}`}</span>],
    ["To", <span class="mono" key="host">{`${connection.host}:${connection.port}`}</span>],
    ["Protocol", connection.protocol],
    ["Login", connection.auth_mechanism],
    ["TLS", ssl ? [connection.ssl_protocol, connection.ssl_cipher].filter(Boolean).join(", ") : "no"],
    ["Connected", since === undefined ? undefined : time(since)],
    ["Heartbeat", timeout ? `every ${timeout} s` : "none"],
    ["Largest frame", frame ? bytes(frame) : "no limit"],
    ["Channels", `${count(connection.channels)}${most ? ` of ${count(most)}` : ""}`],
    ["Received", bytes(connection.recv_oct)],
    ["Sent", bytes(connection.send_oct)],
  ];
}

function Close({ connection }: { connection: Connection }) {
  const { name, channels = 0 } = connection;
  return (
    <DialogButton label="Close…" kind="danger" title="Close this connection?">
      {(close) => (
        <Form
          verb="Close the connection"
          kind="danger"
          onCancel={close}
          action={async (values) => {
            const reason = values.text("reason").trim();
            await send(path(name), {
              method: "DELETE",
              headers: reason ? { "x-reason": latin(reason) } : {},
            });
            close();
            say("The connection is closed.");
            go(href("connections"));
          }}
        >
          <ul class="losses">
            <li>{`${plural(channels, "channel")} ${channels === 1 ? "is" : "are"} closed, with all consumers on them.`}</li>
            <li>What they have not acknowledged goes back to the queues, and is delivered again.</li>
            <li>Queues that are exclusive to it are deleted, with their messages.</li>
          </ul>
          <TextField
            label="Reason"
            name="reason"
            mono={false}
            hint="The client is told it. Most clients connect again by themselves."
          />
        </Form>
      )}
    </DialogButton>
  );
}

const path = (name: string) => at`/connections/${name}`;

/** A header has no characters but those of Latin-1: the octets of UTF-8 take their place. */
function latin(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
