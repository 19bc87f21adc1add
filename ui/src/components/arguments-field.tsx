/** Arguments to fill in: names with values of a type, each with its meaning beside it. */
import { useRef, useState } from "preact/hooks";
import { inWords, meaningOf } from "../arguments.ts";
import type { Arguments, Json } from "../types.ts";

const TYPES = ["text", "number", "boolean", "JSON"] as const;
type Type = (typeof TYPES)[number];

interface Row {
  id: number;
  name: string;
  text: string;
  type: Type;
}

interface Props {
  /** The field of the form: `argumentsOf` reads it. */
  name: string;
  label: string;
  /** Names that are suggested. */
  known?: string[];
  initial?: Arguments;
  /** What one of them is called. */
  noun?: string;
}

export function ArgumentsField({ name, label, known = [], initial = {}, noun = "argument" }: Props) {
  const last = useRef(0);
  const made = (key: string, value?: Json): Row => {
    last.current += 1;
    return {
      id: last.current,
      name: key,
      ...(value === undefined ? { text: "", type: "text" } : written(value)),
    };
  };
  const [rows, setRows] = useState<Row[]>(() =>
    Object.entries(initial).map(([key, value]) => made(key, value)),
  );
  const set = (row: Row, changes: Partial<Row>) =>
    setRows((all) => all.map((each) => (each.id === row.id ? { ...each, ...changes } : each)));
  const rename = (row: Row, key: string) => {
    const meaning = meaningOf(key);
    const text = meaning?.kind === "boolean" && row.text === "" ? "true" : row.text;
    set(row, { name: key, ...(meaning && { type: meaning.kind, text }) });
  };
  const unused = known.filter((each) => !rows.some((row) => row.name === each));
  return (
    <fieldset class="arguments">
      <legend>{label}</legend>
      <input
        type="hidden"
        name={name}
        value={JSON.stringify(rows.map(({ name, text, type }) => ({ name, text, type })))}
      />
      {rows.map((row) => (
        <ArgumentRow
          key={row.id}
          row={row}
          known={known}
          noun={noun}
          onRename={(key) => rename(row, key)}
          onChange={(changes) => set(row, changes)}
          onRemove={() => setRows((all) => all.filter((each) => each.id !== row.id))}
        />
      ))}
      <p class="suggestions">
        <button type="button" class="quiet" onClick={() => setRows((all) => [...all, made("")])}>
          + {noun}
        </button>
        {unused.map((each) => (
          <button
            type="button"
            class="chip mono"
            key={each}
            onClick={() => {
              const row = made(each);
              const meaning = meaningOf(each);
              if (meaning) row.type = meaning.kind;
              row.text = meaning?.choices?.[0] ?? (meaning?.kind === "boolean" ? "true" : "");
              setRows((all) => [...all, row]);
            }}
          >
            {each}
          </button>
        ))}
      </p>
    </fieldset>
  );
}

interface RowProps {
  row: Row;
  known: string[];
  noun: string;
  onRename: (name: string) => void;
  onChange: (changes: Partial<Row>) => void;
  onRemove: () => void;
}

function ArgumentRow({ row, known, noun, onRename, onChange, onRemove }: RowProps) {
  const choices = row.type === "boolean" ? ["true", "false"] : meaningOf(row.name)?.choices;
  const label = row.name || noun;
  return (
    <div class="argument">
      <input
        class="mono"
        aria-label={`Name of the ${noun}`}
        value={row.name}
        list="known-arguments"
        spellcheck={false}
        required
        onInput={(event) => onRename(event.currentTarget.value)}
      />
      <datalist id="known-arguments">
        {known.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      {choices ? (
        <select
          aria-label={`Value of ${label}`}
          value={row.text}
          onChange={(event) => onChange({ text: event.currentTarget.value })}
        >
          {choices.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      ) : (
        <input
          class="mono"
          aria-label={`Value of ${label}`}
          value={row.text}
          spellcheck={false}
          onInput={(event) => onChange({ text: event.currentTarget.value })}
        />
      )}
      <select
        aria-label={`Type of ${label}`}
        value={row.type}
        onChange={(event) =>
          onChange({
            type: event.currentTarget.value as Type,
            text: event.currentTarget.value === "boolean" ? "true" : row.text,
          })
        }
      >
        {TYPES.map((type) => (
          <option key={type} value={type}>
            {type}
          </option>
        ))}
      </select>
      <button type="button" class="quiet" aria-label={`Remove ${label}`} onClick={onRemove}>
        ✕
      </button>
      <small class="hint">{meaningOfRow(row)}</small>
    </div>
  );
}

function meaningOfRow(row: Row): string {
  if (row.text === "") return "";
  try {
    return inWords(row.name, read(row));
  } catch {
    return "";
  }
}

function written(value: Json): { text: string; type: Type } {
  if (typeof value === "string") return { text: value, type: "text" };
  if (typeof value === "number") return { text: String(value), type: "number" };
  if (typeof value === "boolean") return { text: String(value), type: "boolean" };
  return { text: JSON.stringify(value), type: "JSON" };
}

/** The value that is written in a row. Raises Error, for who wrote it. */
export function read({ name, text, type }: Pick<Row, "name" | "text" | "type">): Json {
  if (type === "text") return text;
  if (type === "boolean") return text === "true";
  if (type === "number") {
    if (text.trim() === "" || !Number.isFinite(Number(text))) throw new Error(`${name} must be a number.`);
    return Number(text);
  }
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new Error(`${name} is not valid JSON.`);
  }
}

/** The arguments in a field of a form. Raises Error, for who wrote them. */
export function argumentsOf(field: string): Arguments {
  const rows = JSON.parse(field || "[]") as Row[];
  const found = new Map<string, Json>();
  for (const row of rows) {
    if (row.name === "") throw new Error("An argument has no name.");
    if (found.has(row.name)) throw new Error(`${row.name} is there twice.`);
    found.set(row.name, read(row));
  }
  return Object.fromEntries(found);
}
