/** Messages that are about to be published, and those that are kept as templates. */

import { argumentsOf } from "../components/arguments-field.tsx";
import type { Values } from "../components/form.tsx";
import type { Message } from "../message-types.ts";
import type { Arguments, Json } from "../types.ts";
import { headersOf, isAboutDeath } from "./deaths.ts";

export interface Draft {
  exchange: string;
  routing_key: string;
  properties: Arguments;
  headers: Arguments;
  payload: string;
  encoding: "string" | "base64";
}

export function emptyDraft(exchange: string, key: string): Draft {
  return {
    exchange,
    routing_key: key,
    properties: { delivery_mode: 2 },
    headers: {},
    payload: "",
    encoding: "string",
  };
}

/** A message to be published again: without the history that the broker wrote into it. */
export function draftOf(message: Message): Draft {
  const headers = Object.entries(headersOf(message)).filter(([name]) => !isAboutDeath(name));
  const properties = Object.entries(message.properties).filter(
    (entry): entry is [string, Json] => entry[0] !== "headers" && entry[1] !== undefined,
  );
  return {
    exchange: message.exchange,
    routing_key: message.routing_key,
    properties: Object.fromEntries(properties),
    headers: Object.fromEntries(headers),
    payload: message.payload,
    encoding: message.payload_encoding,
  };
}

const INTEGERS = new Set(["priority", "timestamp", "delivery_mode"]);
export const TEXT_PROPERTIES = [
  "content_type",
  "content_encoding",
  "correlation_id",
  "reply_to",
  "expiration",
  "message_id",
  "type",
  "user_id",
  "app_id",
  "cluster_id",
] as const;

/** What is in the form. Raises Error, for who wrote it. */
export function draftIn(values: Values): Draft {
  const properties: Arguments = { delivery_mode: values.flag("persistent") ? 2 : 1 };
  for (const name of ["priority", "timestamp", ...TEXT_PROPERTIES]) {
    const text = values.text(name).trim();
    if (text === "") continue;
    if (INTEGERS.has(name) && !/^\d+$/.test(text)) throw new Error(`${name} must be a whole number.`);
    properties[name] = INTEGERS.has(name) ? Number(text) : text;
  }
  return {
    exchange: values.text("exchange"),
    routing_key: values.text("routing_key"),
    properties,
    headers: argumentsOf(values.text("headers")),
    // Forms have line ends of their own.
    payload: values.text("payload").replaceAll("\r\n", "\n"),
    encoding: values.text("encoding") === "base64" ? "base64" : "string",
  };
}

/** The properties as the API takes them. */
export function propertiesOf({ properties, headers }: Draft): Arguments {
  return Object.keys(headers).length > 0 ? { ...properties, headers } : properties;
}

// --- templates

const KEY = "amqpy.templates";

export type Templates = Record<string, Draft>;

export function templates(): Templates {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(Object.entries(found).filter(([, draft]) => isDraft(draft)));
  } catch {
    return {};
  }
}

function isDraft(value: unknown): value is Draft {
  if (typeof value !== "object" || value === null) return false;
  const draft = value as Record<string, unknown>;
  const isObject = (name: string) => typeof draft[name] === "object" && draft[name] !== null;
  return (
    ["exchange", "routing_key", "payload"].every((name) => typeof draft[name] === "string") &&
    ["properties", "headers"].every(isObject) &&
    ["string", "base64"].includes(String(draft.encoding))
  );
}

/** Keeps a template, or forgets it. Raises what the browser says that keeps nothing, or no more. */
export function keepTemplate(name: string, draft: Draft | undefined): void {
  const others = Object.entries(templates()).filter(([each]) => each !== name);
  const all = draft === undefined ? others : [...others, [name, draft] as const];
  localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(all)));
}
