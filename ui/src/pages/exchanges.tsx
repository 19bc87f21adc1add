/** Exchanges: the list, one of them, and what makes new ones. */
import { useState } from "preact/hooks";
import { at, put, remove } from "../api.ts";
import { MEANINGS } from "../arguments.ts";
import { ArgumentsField, argumentsOf } from "../components/arguments-field.tsx";
import { BindFrom, Bindings, BindTo } from "../components/bindings.tsx";
import { RangeChoice, samplesOf } from "../components/chart.tsx";
import { DialogButton } from "../components/dialog.tsx";
import { Effective } from "../components/effective.tsx";
import { ExchangeName, Facts, Heading, Section, Tag, VhostName } from "../components/facts.tsx";
import { CheckField, Confirm, Failure, Form, SelectField, TextField } from "../components/form.tsx";
import { Missing } from "../components/missing.tsx";
import { PairRates } from "../components/pair-rates.tsx";
import { PublishButton } from "../components/publish.tsx";
import { watch } from "../components/queue-tabs.tsx";
import { type Curve, RatesChart } from "../components/rates.tsx";
import { scoped, useVhosts } from "../components/scope.ts";
import { type Column, Table } from "../components/table.tsx";
import { rate } from "../format.ts";
import { useLive } from "../live.ts";
import { emptyDraft } from "../messages/drafts.ts";
import { say } from "../notices.ts";
import { vhostFilter } from "../preferences.ts";
import { go, href } from "../router.ts";
import type { Exchange, Overview } from "../types.ts";
import { numberAt } from "../values.ts";

export function ExchangesPage({ names }: { names: string[] }) {
  const [vhost, name] = names;
  return vhost !== undefined && name !== undefined ? <One vhost={vhost} name={name} /> : <List />;
}

function List() {
  return (
    <>
      <Heading title="Exchanges" />
      <Table<Exchange>
        id="exchanges"
        label="Exchanges"
        path={scoped("/exchanges")}
        columns={vhostFilter.value === "" ? COLUMNS : COLUMNS.filter(({ key }) => key !== "vhost")}
        needs={["name", "vhost"]}
        rowKey={({ vhost, name }) => JSON.stringify([vhost, name])}
        nameOf={({ name }) => name}
        empty={<p>There are no exchanges that you may see.</p>}
        tools={<Create />}
      />
    </>
  );
}

function rateColumn(key: string, title: string, hint: string): Column<Exchange> {
  const path = `message_stats.${key}_details.rate`;
  return { key: path, title, hint, isNumber: true, width: 12, cell: (row) => rate(numberAt(row, path)) };
}

const COLUMNS: Column<Exchange>[] = [
  { key: "name", title: "Name", cell: (row) => <ExchangeName {...row} /> },
  { key: "vhost", title: "Virtual host", width: 14, cell: ({ vhost }) => <VhostName name={vhost} /> },
  { key: "type", title: "Type", width: 24 },
  {
    key: "features",
    title: "Features",
    width: 18,
    isUnsorted: true,
    needs: ["durable", "auto_delete", "internal", "arguments", "policy"],
    cell: (row) => <Features of={row} />,
  },
  rateColumn("publish_in", "In /s", "Messages published to it, per second"),
  rateColumn("publish_out", "Out /s", "Messages that it routed to queues, per second"),
  { key: "policy", title: "Policy", width: 14, isExtra: true },
];

function Features({ of }: { of: Exchange }) {
  return (
    <span class="tags">
      {of.durable && <Tag short="D" title="durable" />}
      {of.auto_delete && <Tag short="AD" title="deleted when its last binding is gone" />}
      {of.internal && <Tag short="I" title="internal: clients cannot publish to it" />}
      {"alternate-exchange" in of.arguments && <Tag short="AE" title="has an alternate exchange" />}
      {of.policy && <Tag short="Pol" title={`policy ${of.policy}`} />}
    </span>
  );
}

// --- one

const CURVES: Curve[] = [
  ["published to it", "publish_in"],
  ["routed to queues", "publish_out"],
];

function One({ vhost, name }: { vhost: string; name: string }) {
  const path = at`/exchanges/${vhost}/${name}`;
  const { data: exchange, error } = useLive<Exchange>(`${path}?${samplesOf("msg_rates")}`);
  if (error?.status === 404)
    return <Missing what="exchange" name={name} list="exchanges" wasThere={exchange !== undefined} />;
  if (exchange === undefined) return <Failure text={error?.message ?? ""} />;
  const isDefault = exchange.name === "";
  const isOurs = isDefault || exchange.name.startsWith("amq.");
  return (
    <>
      <Heading
        kind="Exchange"
        title={exchange.name || "(default exchange)"}
        tools={
          <>
            <RangeChoice />
            <a
              class="button"
              href={`${href("topology", vhost)}?${new URLSearchParams({ exchange: exchange.name || "amq.default" })}`}
            >
              Where would it go?
            </a>
            <a class="button" href={watch("exchanges", vhost, name)}>
              Watch
            </a>
            {!exchange.internal && <PublishButton vhost={vhost} draft={emptyDraft(exchange.name, "")} />}
            {!isOurs && <Delete vhost={vhost} name={name} />}
          </>
        }
      />
      <Failure text={error?.message ?? ""} />
      <Facts
        of={[
          ["Virtual host", <VhostName key="vhost" name={vhost} />],
          ["Type", exchange.type],
          ["Durable", exchange.durable ? "yes" : "no: gone after a restart"],
          ["Auto-delete", exchange.auto_delete ? "yes: gone with its last binding" : undefined],
          ["Internal", exchange.internal ? "yes: clients cannot publish to it" : undefined],
        ]}
      />
      <div class="charts">
        <RatesChart counters={exchange.message_stats} curves={CURVES} />
      </div>
      <PairRates
        title="Who publishes to it"
        id="publishers-of-exchange"
        rows={exchange.incoming}
        end="channel"
        of="publishes"
        empty="No channel that is open has published to it."
      />
      <PairRates
        title="Where it goes"
        id="routes-of-exchange"
        rows={exchange.outgoing}
        end="queue"
        of="routes"
        empty="It has routed nothing to a queue that is there."
      />
      <Section title="Arguments and policy">
        <Effective of={exchange} />
      </Section>
      {isDefault ? (
        <Section title="Bindings">
          <p class="muted">
            Every queue is bound to the default exchange with its own name as the routing key.
          </p>
        </Section>
      ) : (
        <BindingsOf vhost={vhost} name={name} path={path} />
      )}
    </>
  );
}

function BindingsOf({ vhost, name, path }: { vhost: string; name: string; path: string }) {
  return (
    <>
      <Bindings
        title="Bindings from it"
        id="bindings-from-exchange"
        label="Bindings from the exchange"
        path={`${path}/bindings/source`}
        other="destination"
        empty="Nothing is bound to it: what is published to it goes nowhere, unless it has an alternate exchange."
        tools={<BindTo vhost={vhost} name={name} />}
      />
      <Bindings
        title="Bindings to it"
        id="bindings-to-exchange"
        label="Bindings to the exchange"
        path={`${path}/bindings/destination`}
        other="source"
        empty="It is bound to no other exchange."
        tools={<BindFrom vhost={vhost} kind="exchange" name={name} />}
      />
    </>
  );
}

function Delete({ vhost, name }: { vhost: string; name: string }) {
  return (
    <DialogButton label="Delete…" kind="danger" title={`Delete the exchange ${name}?`}>
      {(close) => (
        <Confirm
          verb="Delete"
          onCancel={close}
          losses={[
            "Its bindings are gone.",
            "A client that publishes to it is told that it is not there, and its channel is closed.",
          ]}
          action={async () => {
            await remove(at`/exchanges/${vhost}/${name}`);
            close();
            say(`The exchange ${name} is deleted.`);
            go(href("exchanges"));
          }}
        />
      )}
    </DialogButton>
  );
}

// --- creating one

function Create() {
  return (
    <DialogButton
      label="Create an exchange…"
      kind="primary"
      title="Create an exchange"
      isWide
      hotkey="create"
    >
      {(close) => <CreateForm close={close} />}
    </DialogButton>
  );
}

function CreateForm({ close }: { close: () => void }) {
  const [kind, setKind] = useState("direct");
  const { data: overview } = useLive<Pick<Overview, "exchange_types">>("/overview?columns=exchange_types");
  const vhosts = useVhosts();
  const types = overview?.exchange_types ?? [];
  const known = MEANINGS.filter(({ of }) => of.includes("exchange")).map(({ name }) => name);
  return (
    <Form
      verb="Create"
      onCancel={close}
      action={async (values) => {
        const [vhost, name] = [values.text("vhost"), values.text("name")];
        await put(at`/exchanges/${vhost}/${name}`, {
          type: values.text("type"),
          durable: values.flag("durable"),
          auto_delete: values.flag("auto_delete"),
          internal: values.flag("internal"),
          arguments: argumentsOf(values.text("arguments")),
        });
        close();
        say(`The exchange ${name} is there.`);
        go(href("exchanges", vhost, name));
      }}
    >
      {vhosts.length > 1 ? (
        <SelectField label="Virtual host" name="vhost" value={vhosts[0]} options={vhosts} />
      ) : (
        <input type="hidden" name="vhost" value={vhosts[0] ?? "/"} />
      )}
      <TextField label="Name" name="name" required autofocus />
      <SelectField
        label="Type"
        name="type"
        value={kind}
        onChange={setKind}
        options={types.length > 0 ? types.map((type) => type.name) : ["direct"]}
        hint={types.find((type) => type.name === kind)?.description}
      />
      <CheckField
        label="Durable"
        name="durable"
        value
        hint="It is there again after a restart, if the broker has a data directory."
      />
      <CheckField
        label="Auto-delete"
        name="auto_delete"
        hint="It is deleted when its last binding is gone."
      />
      <CheckField
        label="Internal"
        name="internal"
        hint="Clients cannot publish to it: only other exchanges lead to it."
      />
      <ArgumentsField name="arguments" label="Arguments" known={known} />
    </Form>
  );
}
