/** Definitions: what there is but for messages, as a file to keep, and to give back. */
import { useState } from "preact/hooks";
import { at, post, send } from "../api.ts";
import { DialogButton } from "../components/dialog.tsx";
import { Section } from "../components/facts.tsx";
import { Failure, Form, SelectField, words } from "../components/form.tsx";
import { list, plural } from "../format.ts";
import { useLive } from "../live.ts";
import { say } from "../notices.ts";
import type { Json, Vhost } from "../types.ts";

const ALL = "";

export function Definitions() {
  return (
    <Section
      title="Definitions"
      tools={
        <>
          <DialogButton label="Export…" title="Export definitions">
            {(close) => <Export close={close} />}
          </DialogButton>
          <DialogButton label="Import…" title="Import definitions">
            {(close) => <Import close={close} />}
          </DialogButton>
        </>
      }
    >
      <p class="muted">
        Virtual hosts, users, permissions, exchanges, queues, bindings, policies and parameters in a JSON
        file, as RabbitMQ has it. Messages are not in it.
      </p>
    </Section>
  );
}

function VhostField({ all, hint }: { all: string; hint: string }) {
  const { data } = useLive<Vhost[]>("/vhosts?columns=name");
  const options = [
    { value: ALL, label: all },
    ...(data ?? []).map(({ name }) => ({ value: `v${name}`, label: name })),
  ];
  return <SelectField label="Of" name="vhost" options={options} hint={hint} />;
}

function pathOf(vhost: string): string {
  return vhost === ALL ? "/definitions" : at`/definitions/${vhost.slice(1)}`;
}

function Export({ close }: { close: () => void }) {
  return (
    <Form
      verb="Download"
      onCancel={close}
      action={async (values) => {
        const response = await send(pathOf(values.text("vhost")));
        download(await response.blob(), `definitions_${new Date().toISOString().slice(0, 10)}.json`);
        close();
      }}
    >
      <VhostField
        all="the whole broker"
        hint="Those of the whole broker have users with the hashes of their passwords: keep the file safe."
      />
    </Form>
  );
}

function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function Import({ close }: { close: () => void }) {
  const [content, setContent] = useState<Record<string, Json>>();
  const [problem, setProblem] = useState("");
  const read = async (file: File | undefined) => {
    setContent(undefined);
    setProblem("");
    if (file === undefined) return;
    try {
      setContent(parsed(await file.text()));
    } catch (error) {
      setProblem(words(error));
    }
  };
  return (
    <Form
      verb="Import"
      onCancel={close}
      action={async (values) => {
        if (content === undefined) throw new Error(problem || "Choose a file first.");
        await post(pathOf(values.text("vhost")), content);
        close();
        say("The definitions are imported.");
      }}
    >
      <p class="field">
        <label for="definitions-file">File</label>
        <input
          id="definitions-file"
          type="file"
          accept=".json,application/json"
          onChange={(event) => read(event.currentTarget.files?.[0])}
        />
      </p>
      <VhostField
        all="the whole broker"
        hint="A file of one virtual host goes into the one that is chosen."
      />
      <Failure text={problem} />
      <p class="muted" role="status">
        {content ? `In it: ${contents(content)}. ` : ""}What is there already and not in the file stays. What
        is in both is changed to what the file says; an exchange or a queue with other properties is left as
        it is.
      </p>
    </Form>
  );
}

/** Raises Error for what is no file of definitions. */
export function parsed(text: string): Record<string, Json> {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`This is not JSON: ${words(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("This is not a file of definitions.");
  return value;
}

const SECTIONS: [key: string, one: string, many?: string][] = [
  ["vhosts", "virtual host"],
  ["users", "user"],
  ["permissions", "permission"],
  ["queues", "queue"],
  ["exchanges", "exchange"],
  ["bindings", "binding"],
  ["policies", "policy", "policies"],
];

export function contents(definitions: Record<string, Json>): string {
  const parts = SECTIONS.flatMap(([key, one, many]) => {
    const items = definitions[key];
    return Array.isArray(items) && items.length > 0 ? [plural(items.length, one, many)] : [];
  });
  return parts.length > 0 ? list(parts) : "nothing that is known";
}
