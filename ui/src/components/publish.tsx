/** Publishing a message, and where it went. */
import { useRef, useState } from "preact/hooks";
import { at, post } from "../api.ts";
import { useLive } from "../live.ts";
import type { Explanation as Told } from "../message-types.ts";
import {
  type Draft,
  draftIn,
  keepTemplate,
  propertiesOf,
  TEXT_PROPERTIES,
  templates,
} from "../messages/drafts.ts";
import { say } from "../notices.ts";
import type { Arguments, Exchange, Page } from "../types.ts";
import { ArgumentsField } from "./arguments-field.tsx";
import { DialogButton } from "./dialog.tsx";
import { Explanation, PictureLink } from "./explanation.tsx";
import { CheckField, Failure, Form, SelectField, TextField, Values, words } from "./form.tsx";

interface Props {
  vhost: string;
  draft: Draft;
  label?: string;
  hotkey?: string;
}

export function PublishButton({ vhost, draft, label = "Publish…", hotkey }: Props) {
  return (
    <DialogButton label={label} title={`Publish a message in ${vhost}`} isWide hotkey={hotkey}>
      {(close) => <Publish vhost={vhost} draft={draft} close={close} />}
    </DialogButton>
  );
}

interface Result {
  /** None for a message that was only asked about. */
  routed?: boolean;
  told: Told | undefined;
  headers: Arguments;
  problem: string;
}

function Publish({ vhost, draft: initial, close }: { vhost: string; draft: Draft; close: () => void }) {
  const [draft, setDraft] = useState({ draft: initial, version: 0 });
  const [result, setResult] = useState<Result>();
  const fields = useRef<HTMLDivElement>(null);
  const written = () => {
    const form = fields.current?.closest("form");
    return draftIn(new Values(new FormData(form ?? undefined)));
  };
  return (
    <>
      <Form
        verb="Publish"
        onCancel={close}
        action={async (values) => {
          setResult(undefined);
          const made = draftIn(values);
          const { routed } = await post<{ routed: boolean }>(
            at`/exchanges/${vhost}/${made.exchange || "amq.default"}/publish`,
            {
              routing_key: made.routing_key,
              properties: propertiesOf(made),
              payload: made.payload,
              payload_encoding: made.encoding,
            },
          );
          say(routed ? "Published, and routed." : "Published, but not routed: no queue got it.");
          setResult({ routed, ...(await explained(vhost, made)) });
        }}
      >
        <div ref={fields} class="publish">
          <TemplateChoice
            written={written}
            onChoose={(chosen) => setDraft({ draft: chosen, version: draft.version + 1 })}
          />
          <Fields key={draft.version} vhost={vhost} draft={draft.draft} />
          <Ask
            onAsk={async () => {
              setResult(undefined);
              setResult(await explained(vhost, written()));
            }}
          />
        </div>
      </Form>
      {result && <Outcome of={result} />}
    </>
  );
}

async function explained(vhost: string, draft: Draft): Promise<Omit<Result, "routed">> {
  try {
    const { exchange, routing_key, properties, headers } = draft;
    return {
      told: await post<Told>("/explain", { vhost, exchange, routing_key, properties, headers }),
      headers,
      problem: "",
    };
  } catch (error) {
    return { told: undefined, headers: {}, problem: words(error) };
  }
}

function Outcome({ of: { routed, told, headers, problem } }: { of: Result }) {
  return (
    <section class="outcome" aria-label="Where it went">
      {routed !== undefined && (
        <p role="status">
          {routed ? (
            <b class="good">Published, and routed.</b>
          ) : (
            <b class="bad">Published, but not routed.</b>
          )}
          <span class="muted"> Why:</span>
        </p>
      )}
      <Failure text={problem} />
      {told && (
        <>
          <Explanation of={told} />
          <p>
            <PictureLink of={told} headers={headers} />
          </p>
        </>
      )}
    </section>
  );
}

function Ask({ onAsk }: { onAsk: () => Promise<void> }) {
  const [problem, setProblem] = useState("");
  return (
    <>
      <p>
        <button
          type="button"
          class="quiet"
          onClick={() => {
            setProblem("");
            onAsk().catch((error: unknown) => setProblem(words(error)));
          }}
        >
          Where would it go?
        </button>
      </p>
      <Failure text={problem} />
    </>
  );
}

function Fields({ vhost, draft }: { vhost: string; draft: Draft }) {
  const { data } = useLive<Page<Exchange>>(`${at`/exchanges/${vhost}`}?page=1&page_size=500&columns=name`);
  const names = data?.items.map(({ name }) => name).filter((name) => name !== "");
  const text = (name: string) => String(draft.properties[name] ?? "");
  const hasMore = ["priority", "timestamp", ...TEXT_PROPERTIES].some((name) => text(name) !== "");
  return (
    <>
      <TextField
        label="Exchange"
        name="exchange"
        value={draft.exchange}
        options={names}
        placeholder="(default exchange)"
      />
      <TextField
        label="Routing key"
        name="routing_key"
        value={draft.routing_key}
        hint="By the default exchange it goes to the queue of this name."
      />
      <p class="field">
        <label for="payload">Body</label>
        <span>
          <textarea id="payload" name="payload" class="mono" rows={7} spellcheck={false} autofocus>
            {draft.payload}
          </textarea>
        </span>
      </p>
      <SelectField
        label="Body is"
        name="encoding"
        value={draft.encoding}
        options={[
          { value: "string", label: "text" },
          { value: "base64", label: "binary, in base64" },
        ]}
      />
      <CheckField label="Persistent" name="persistent" value={draft.properties.delivery_mode !== 1} />
      <ArgumentsField name="headers" label="Headers" noun="header" initial={draft.headers} />
      <details open={hasMore}>
        <summary>Properties</summary>
        <div class="pairs-of-fields">
          {[...TEXT_PROPERTIES.slice(0, 5), "priority", "timestamp", ...TEXT_PROPERTIES.slice(5)].map(
            (name) => (
              <TextField key={name} label={name} name={name} value={text(name)} placeholder={HINTS[name]} />
            ),
          )}
        </div>
      </details>
    </>
  );
}

const HINTS: Record<string, string> = {
  content_type: "application/json",
  expiration: "milliseconds",
  timestamp: "seconds since 1970",
  priority: "0 to 255",
};

// --- templates

interface TemplateProps {
  written: () => Draft;
  onChoose: (draft: Draft) => void;
}

function TemplateChoice({ written, onChoose }: TemplateProps) {
  const [all, setAll] = useState(templates);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const keep = (draft: () => Draft | undefined) => {
    setProblem("");
    try {
      keepTemplate(name, draft());
      setAll(templates());
    } catch (error) {
      setProblem(words(error));
    }
  };
  const isKnown = Object.hasOwn(all, name);
  return (
    <>
      <div class="templates">
        <label for="template">Template</label>
        <input
          id="template"
          list="templates"
          value={name}
          placeholder="name"
          spellcheck={false}
          onInput={(event) => {
            const typed = event.currentTarget.value;
            setName(typed);
            const chosen = Object.hasOwn(all, typed) ? all[typed] : undefined;
            if (chosen) onChoose(chosen);
          }}
        />
        <datalist id="templates">
          {Object.keys(all).map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
        <button type="button" disabled={name === ""} onClick={() => keep(written)}>
          {isKnown ? "Save again" : "Save"}
        </button>
        <button type="button" disabled={!isKnown} onClick={() => keep(() => undefined)}>
          Forget
        </button>
      </div>
      <Failure text={problem} />
    </>
  );
}
