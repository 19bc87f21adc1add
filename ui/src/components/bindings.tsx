/** Bindings of a queue or an exchange: a list, and what adds and removes them. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { at, post, remove } from "../api.ts";
import { inline } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import type { Arguments, Binding, Exchange, Page, Queue } from "../types.ts";
import { ArgumentsField, argumentsOf } from "./arguments-field.tsx";
import { DialogButton } from "./dialog.tsx";
import { ExchangeName, QueueName } from "./facts.tsx";
import { Confirm, Form, SelectField, TextField } from "./form.tsx";
import { type Column, Table } from "./table.tsx";

type Kind = Binding["destination_type"];

function between({
  vhost,
  source,
  destination,
  destination_type: kind,
}: Pick<Binding, "vhost" | "source" | "destination" | "destination_type">): string {
  return at`/bindings/${vhost}/e/${source || "amq.default"}/${kind === "queue" ? "q" : "e"}/${destination}`;
}

interface Props {
  id: string;
  path: string;
  label: string;
  title: string;
  /** The end that is not the object itself. */
  other: "source" | "destination";
  empty: string;
  /** What the filter of a long list is about: the routing key. */
  tools?: ComponentChildren;
}

export function Bindings({ id, path, label, title, other, empty, tools }: Props) {
  const end: Column<Binding> =
    other === "source"
      ? {
          key: "source",
          title: "From",
          cell: ({ vhost, source }) => <ExchangeName vhost={vhost} name={source} />,
        }
      : {
          key: "destination",
          title: "To",
          cell: (binding) => <Destination of={binding} />,
          needs: ["destination", "destination_type"],
        };
  const columns: Column<Binding>[] = [
    end,
    {
      key: "routing_key",
      title: "Routing key",
      cell: ({ routing_key }) => <span class="mono">{routing_key}</span>,
    },
    {
      key: "arguments",
      title: "Arguments",
      isUnsorted: true,
      cell: ({ arguments: given }) => <Given of={given} />,
    },
  ];
  return (
    <Table<Binding>
      id={id}
      label={label}
      title={title}
      path={path}
      columns={columns}
      needs={["vhost", "source", "destination", "destination_type", "properties_key"]}
      rowKey={(row) =>
        JSON.stringify([row.source, row.destination_type, row.destination, row.properties_key])
      }
      nameOf={(row) => `${row[other]} ${row.routing_key}`}
      isInAddress={false}
      empty={empty}
      tools={tools}
      actions={(row) => row.source !== "" && <Unbind of={row} />}
    />
  );
}

function Destination({ of }: { of: Binding }) {
  const { vhost, destination, destination_type: kind } = of;
  return kind === "queue" ? (
    <QueueName vhost={vhost} name={destination} />
  ) : (
    <>
      <span class="muted">exchange </span>
      <ExchangeName vhost={vhost} name={destination} />
    </>
  );
}

function Given({ of }: { of: Arguments | [] }) {
  const pairs = Object.entries(of);
  return <span class="mono">{pairs.map(([name, value]) => `${name}=${inline(value)}`).join(" ")}</span>;
}

function Unbind({ of }: { of: Binding }) {
  const { source, destination, routing_key: key } = of;
  return (
    <DialogButton
      label="Unbind"
      name={`Unbind ${destination} from ${source}`}
      kind="quiet"
      title="Remove this binding?"
    >
      {(close) => (
        <Confirm
          verb="Unbind"
          onCancel={close}
          losses={[
            <>
              Messages that <b class="mono">{source}</b> gets with the routing key{" "}
              <b class="mono">{key || "(empty)"}</b> do not come to <b class="mono">{destination}</b> any
              more, unless another binding leads there.
            </>,
          ]}
          action={async () => {
            await remove(`${between(of)}/${encodeURIComponent(of.properties_key)}`);
            close();
            say(`${destination} is not bound to ${source} any more.`);
          }}
        />
      )}
    </DialogButton>
  );
}

// --- adding one

const NAMES = "page=1&page_size=500&columns=name";

/** Adds a binding to the queue or exchange, from an exchange. */
export function BindFrom({ vhost, kind, name }: { vhost: string; kind: Kind; name: string }) {
  return (
    <BindDialog
      label="Bind…"
      title={`Bind ${name} to an exchange`}
      field={<Source vhost={vhost} />}
      bind={(values) => ({ vhost, source: values.end, destination: name, destination_type: kind })}
    />
  );
}

function Source({ vhost }: { vhost: string }) {
  const { data } = useLive<Page<Exchange>>(`${at`/exchanges/${vhost}`}?${NAMES}`);
  const names = data?.items.map((each) => each.name).filter((each) => each !== "");
  return <TextField label="From exchange" name="end" required options={names} autofocus />;
}

/** Adds a binding from the exchange, to a queue or an exchange. */
export function BindTo({ vhost, name }: { vhost: string; name: string }) {
  return (
    <BindDialog
      label="Bind…"
      title={`Bind a queue or an exchange to ${name}`}
      field={<End vhost={vhost} />}
      bind={(values) => ({
        vhost,
        source: name,
        destination: values.end,
        destination_type: values.kind as Kind,
      })}
    />
  );
}

function End({ vhost }: { vhost: string }) {
  const [kind, setKind] = useState<string>("queue");
  const { data } = useLive<Page<Queue | Exchange>>(
    `${kind === "queue" ? at`/queues/${vhost}` : at`/exchanges/${vhost}`}?${NAMES}`,
  );
  return (
    <>
      <SelectField label="To" name="kind" value={kind} options={["queue", "exchange"]} onChange={setKind} />
      <TextField label="Name" name="end" required options={data?.items.map((each) => each.name)} autofocus />
    </>
  );
}

interface BindProps {
  label: string;
  title: string;
  field: ComponentChildren;
  bind: (values: {
    end: string;
    kind: string;
  }) => Pick<Binding, "vhost" | "source" | "destination" | "destination_type">;
}

function BindDialog({ label, title, field, bind }: BindProps) {
  return (
    <DialogButton label={label} title={title} isWide>
      {(close) => (
        <Form
          verb="Bind"
          onCancel={close}
          action={async (values) => {
            const binding = bind({ end: values.text("end"), kind: values.text("kind") });
            const given = argumentsOf(values.text("arguments"));
            await post(between(binding), { routing_key: values.text("routing_key"), arguments: given });
            close();
            say(`${binding.destination} is bound to ${binding.source}.`);
          }}
        >
          {field}
          <TextField
            label="Routing key"
            name="routing_key"
            hint="Of a topic exchange a pattern: * is one word, # any number of words. A fanout exchange does not look at it."
          />
          <ArgumentsField
            name="arguments"
            label="Arguments (for headers exchanges: the headers, and x-match)"
            known={["x-match"]}
          />
        </Form>
      )}
    </DialogButton>
  );
}
