/** Policies and operator policies: the lists, one of them, and the form that sets one. */
import { useState } from "preact/hooks";
import { at, put, query, remove } from "../api.ts";
import { policyKeys } from "../arguments.ts";
import { ArgumentsField, argumentsOf } from "../components/arguments-field.tsx";
import { DialogButton } from "../components/dialog.tsx";
import { ArgumentsTable, Facts, Heading, PolicyName, Section, VhostName } from "../components/facts.tsx";
import { Confirm, Failure, Form, SelectField, TextField } from "../components/form.tsx";
import { Missing } from "../components/missing.tsx";
import { scoped, useVhosts } from "../components/scope.ts";
import { type Column, Table } from "../components/table.tsx";
import { count, inline, plural } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import { go, href } from "../router.ts";
import { isAdministrator, isPolicymaker } from "../session.ts";
import type { Exchange, Page, Policy, Queue } from "../types.ts";

interface Kind {
  path: string;
  title: string;
  one: string;
}

const POLICIES: Kind = { path: "/policies", title: "Policies", one: "policy" };
const OPERATOR: Kind = { path: "/operator-policies", title: "Operator policies", one: "operator policy" };

export function PoliciesPage({ names }: { names: string[] }) {
  const [vhost, name] = names;
  if (vhost !== undefined && name !== undefined) return <One vhost={vhost} name={name} />;
  return (
    <>
      <Heading title="Policies" />
      <p class="muted">
        A policy gives settings to all queues and exchanges whose names match; of several the one with the
        highest priority applies. An operator policy sets limits that stand beside it.
      </p>
      <List kind={POLICIES} isInAddress mayChange={isPolicymaker.value} />
      <List kind={OPERATOR} isInAddress={false} mayChange={isAdministrator.value} />
    </>
  );
}

function List({ kind, isInAddress, mayChange }: { kind: Kind; isInAddress: boolean; mayChange: boolean }) {
  return (
    <Table<Policy>
      id={kind.path}
      label={kind.title}
      title={isInAddress ? undefined : kind.title}
      path={scoped(kind.path)}
      columns={
        kind === POLICIES
          ? COLUMNS
          : COLUMNS.map((column) => (column.key === "name" ? { ...column, cell: undefined } : column))
      }
      needs={["name", "vhost", "pattern", "apply-to", "priority", "definition"]}
      rowKey={({ vhost, name }) => JSON.stringify([vhost, name])}
      nameOf={({ name }) => name}
      isInAddress={isInAddress}
      empty={<p>{`There is no ${kind.one}.`}</p>}
      tools={
        mayChange && (
          <SetPolicy
            kind={kind}
            label={`Add ${kind === POLICIES ? "a" : "an"} ${kind.one}…`}
            hotkey={kind === POLICIES ? "create" : undefined}
          />
        )
      }
      actions={
        mayChange
          ? (row) => (
              <>
                <SetPolicy kind={kind} label="Edit" given={row} isInRow />
                <Delete kind={kind} of={row} isInRow />
              </>
            )
          : undefined
      }
    />
  );
}

const COLUMNS: Column<Policy>[] = [
  { key: "name", title: "Name", cell: (row) => <PolicyName {...row} /> },
  { key: "vhost", title: "Virtual host", width: 14, cell: ({ vhost }) => <VhostName name={vhost} /> },
  { key: "pattern", title: "Pattern", cell: ({ pattern }) => <span class="mono">{pattern}</span> },
  { key: "apply-to", title: "Applies to", width: 13, cell: (row) => row["apply-to"].replaceAll("_", " ") },
  { key: "priority", title: "Priority", width: 9, isNumber: true },
  {
    key: "definition",
    title: "Definition",
    width: 38,
    isUnsorted: true,
    cell: ({ definition }) => <Definition of={definition} />,
  },
];

function Definition({ of }: { of: Policy["definition"] }) {
  const words = Object.entries(of).map(([key, value]) => `${key}: ${inline(value)}`);
  return (
    <span class="mono" title={words.join("\n")}>
      {words.join(", ")}
    </span>
  );
}

// --- one

function One({ vhost, name }: { vhost: string; name: string }) {
  const { data: policies, error } = useLive<Policy[]>(at`/policies/${vhost}`);
  const { data: operators } = useLive<Policy[]>(at`/operator-policies/${vhost}`);
  const found = [
    { kind: POLICIES, policy: policies?.find((each) => each.name === name) },
    { kind: OPERATOR, policy: operators?.find((each) => each.name === name) },
  ].filter(({ policy }) => policy !== undefined);
  if (policies === undefined || operators === undefined) return <Failure text={error?.message ?? ""} />;
  if (found.length === 0) return <Missing what="policy" name={name} list="policies" wasThere={false} />;
  return (
    <>{found.map(({ kind, policy }) => policy && <Shown key={kind.path} kind={kind} policy={policy} />)}</>
  );
}

function Shown({ kind, policy }: { kind: Kind; policy: Policy }) {
  const { vhost, name, pattern, priority, definition } = policy;
  const mayChange = kind === POLICIES ? isPolicymaker.value : isAdministrator.value;
  return (
    <>
      <Heading
        kind={kind === POLICIES ? "Policy" : "Operator policy"}
        title={name}
        tools={
          mayChange && (
            <>
              <SetPolicy kind={kind} label="Edit…" given={policy} />
              <Delete kind={kind} of={policy} />
            </>
          )
        }
      />
      <Facts
        of={[
          ["Virtual host", <VhostName key="vhost" name={vhost} />],
          [
            "Pattern",
            <span class="mono" key="pattern">
              {pattern}
            </span>,
          ],
          ["Applies to", policy["apply-to"].replaceAll("_", " ")],
          ["Priority", count(priority)],
          [
            "Matches now",
            <Matches key="matches" vhost={vhost} pattern={pattern} applyTo={policy["apply-to"]} />,
          ],
        ]}
      />
      <Section title="Definition">
        <ArgumentsTable of={definition} />
      </Section>
    </>
  );
}

/** What has a name like that now. The API does not tell capitals apart when it looks for names. */
function Matches({ vhost, pattern, applyTo }: { vhost: string; pattern: string; applyTo: string }) {
  const search = query({ page: 1, page_size: 1, columns: "name", name: pattern, use_regex: true });
  const isSought = pattern !== "";
  const { data: queues, error } = useLive<Page<Queue>>(
    isSought && applyTo !== "exchanges" ? `${at`/queues/${vhost}`}${search}` : null,
  );
  const { data: exchanges } = useLive<Page<Exchange>>(
    isSought && /^(all|exchanges)$/.test(applyTo) ? `${at`/exchanges/${vhost}`}${search}` : null,
  );
  if (error) return <span class="muted">The pattern is no regular expression yet.</span>;
  const parts = [
    ...(queues ? [plural(queues.filtered_count, "queue")] : []),
    ...(exchanges ? [plural(exchanges.filtered_count, "exchange")] : []),
  ];
  return (
    <span title="By their names; capitals are not told apart in this count.">{parts.join(", ") || "–"}</span>
  );
}

function Delete({
  kind,
  of: { vhost, name, pattern },
  isInRow,
}: {
  kind: Kind;
  of: Policy;
  isInRow?: boolean;
}) {
  return (
    <DialogButton
      label={isInRow ? "Delete" : "Delete…"}
      kind={isInRow ? "quiet" : "danger"}
      name={`Delete the ${kind.one} ${name}`}
      title={`Delete the ${kind.one} ${name}?`}
    >
      {(close) => (
        <Confirm
          verb="Delete"
          onCancel={close}
          losses={[
            <>
              What matches <b class="mono">{pattern}</b> loses the settings that it has from it at once:
              messages may be dropped, expire or stay where they did not before.
            </>,
          ]}
          action={async () => {
            await remove(`${kind.path}${at`/${vhost}/${name}`}`);
            close();
            say(`The ${kind.one} ${name} is deleted.`);
            go(href("policies"));
          }}
        />
      )}
    </DialogButton>
  );
}

// --- setting one

const TARGETS = ["all", "queues", "classic_queues", "quorum_queues", "streams", "exchanges"].map((value) => ({
  value,
  label: value.replaceAll("_", " "),
}));

function SetPolicy({
  kind,
  label,
  given,
  isInRow,
  hotkey,
}: {
  kind: Kind;
  label: string;
  given?: Policy;
  isInRow?: boolean;
  hotkey?: string;
}) {
  return (
    <DialogButton
      label={label}
      name={given && `Edit the ${kind.one} ${given.name}`}
      kind={isInRow ? "quiet" : given ? undefined : "primary"}
      title={
        given ? `Edit the ${kind.one} ${given.name}` : `Add ${kind === POLICIES ? "a" : "an"} ${kind.one}`
      }
      isWide
      hotkey={hotkey}
    >
      {(close) => <PolicyForm kind={kind} close={close} given={given} />}
    </DialogButton>
  );
}

function PolicyForm({ kind, close, given }: { kind: Kind; close: () => void; given?: Policy }) {
  const vhosts = useVhosts();
  const [chosen, setVhost] = useState(given?.vhost);
  const [pattern, setPattern] = useState(given?.pattern ?? "");
  const [applyTo, setApplyTo] = useState(given?.["apply-to"] ?? "queues");
  const vhost = chosen ?? vhosts[0] ?? "/";
  return (
    <Form
      verb={given ? "Save" : "Add"}
      onCancel={close}
      action={async (values) => {
        const name = given?.name ?? values.text("name");
        await put(`${kind.path}${at`/${vhost}/${name}`}`, {
          pattern,
          definition: argumentsOf(values.text("definition")),
          priority: values.number("priority") ?? 0,
          "apply-to": applyTo,
        });
        close();
        say(`The ${kind.one} ${name} applies.`);
      }}
    >
      {!given && (
        <>
          {vhosts.length > 1 && (
            <SelectField
              label="Virtual host"
              name="vhost"
              value={vhost}
              options={vhosts}
              onChange={setVhost}
            />
          )}
          <TextField label="Name" name="name" required autofocus />
        </>
      )}
      <TextField
        label="Pattern"
        name="pattern"
        value={given?.pattern}
        required
        onInput={setPattern}
        hint={
          <>
            A regular expression for names. Matches now:{" "}
            <Matches vhost={vhost} pattern={pattern} applyTo={applyTo} />
          </>
        }
      />
      <SelectField
        label="Applies to"
        name="apply-to"
        value={applyTo}
        options={TARGETS}
        onChange={setApplyTo}
      />
      <TextField
        label="Priority"
        name="priority"
        type="number"
        value={String(given?.priority ?? 0)}
        hint="The highest of all that match applies."
      />
      <ArgumentsField name="definition" label="Definition" known={policyKeys()} initial={given?.definition} />
    </Form>
  );
}
