/** The body of a message: as JSON, as text or in hex. */
import { useMemo, useState } from "preact/hooks";
import { bytes, count } from "../format.ts";
import type { Message } from "../message-types.ts";
import { hexDump, legible, octetsOf, type Piece, prettyJson, textOf } from "../messages/payload.ts";
import { say } from "../notices.ts";

type Form = "JSON" | "text" | "hex";

/** What is drawn at once; the rest can be saved. */
const TEXT_MAX = 200_000;
const HEX_MAX = 16_384;

type Body = Pick<Message, "payload" | "payload_encoding" | "payload_bytes">;

export function Payload({ of, name }: { of: Body; name: string }) {
  const { payload, payload_encoding: encoding, payload_bytes: size } = of;
  const { octets, text, json } = useMemo(() => {
    const body = { payload, payload_encoding: encoding, payload_bytes: size };
    const found = textOf(body);
    const isLong = found === undefined || found.length > TEXT_MAX;
    return { octets: octetsOf(body), text: found, json: isLong ? undefined : prettyJson(found) };
  }, [payload, encoding, size]);
  const [chosen, choose] = useState<Form | undefined>(undefined);
  const forms: Form[] = [
    ...(json ? ["JSON" as const] : []),
    ...(text === undefined ? [] : ["text" as const]),
    "hex",
  ];
  const form = chosen && forms.includes(chosen) ? chosen : (forms[0] ?? "hex");
  if (size === 0) return <p class="muted">The body is empty.</p>;
  return (
    <div class="payload">
      <div class="toolbar">
        <fieldset class="segments" aria-label="Form of the body">
          {forms.map((each) => (
            <button key={each} type="button" aria-pressed={each === form} onClick={() => choose(each)}>
              {each}
            </button>
          ))}
        </fieldset>
        <span class="muted">
          {octets.length < size ? `the first ${bytes(octets.length)} of ${bytes(size)}` : sizeInWords(size)}
        </span>
        <span class="spread" />
        {text !== undefined && navigator.clipboard && <Copy text={text} />}
        <button type="button" onClick={() => save(octets, name)}>
          Save…
        </button>
      </div>
      <Shown form={form} octets={octets} text={text} json={json} />
    </div>
  );
}

function sizeInWords(size: number): string {
  return size < 1024
    ? `${count(size)} ${size === 1 ? "byte" : "bytes"}`
    : `${bytes(size)} (${count(size)} bytes)`;
}

interface ShownProps {
  form: Form;
  octets: Uint8Array<ArrayBufferLike>;
  text: string | undefined;
  json: Piece[] | undefined;
}

function Shown({ form, octets, text = "", json = [] }: ShownProps) {
  const most = form === "hex" ? HEX_MAX : TEXT_MAX;
  const all = form === "hex" ? octets.length : text.length;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="body" tabIndex={0} aria-label={`Body as ${form}`}>
        <pre>
          {form === "hex" && hexDump(octets.subarray(0, most))}
          {form === "text" && <Pieces of={legible(text.slice(0, most))} />}
          {form === "JSON" && <Pieces of={json} />}
        </pre>
      </section>
      {all > most && (
        <p class="muted">
          That is the beginning: {count(most)} of {count(all)} {form === "hex" ? "bytes" : "characters"}. All
          of it can be saved.
        </p>
      )}
    </>
  );
}

function Pieces({ of }: { of: Piece[] }) {
  return (
    <>
      {of.map(({ kind, text }, index) =>
        kind === "plain" ? (
          text
        ) : (
          <span key={index} class={`piece ${kind}`}>
            {text}
          </span>
        ),
      )}
    </>
  );
}

function Copy({ text }: { text: string }) {
  return (
    <button
      type="button"
      onClick={() =>
        navigator.clipboard.writeText(text).then(
          () => say("The body is copied."),
          () => say("The browser does not let this page copy."),
        )
      }
    >
      Copy
    </button>
  );
}

function save(octets: Uint8Array, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([Uint8Array.from(octets)], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
