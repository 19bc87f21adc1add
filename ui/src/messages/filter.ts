/** What messages are sought by: from fields of a form, and in words. */
import type { Values } from "../components/form.tsx";
import { inline } from "../format.ts";
import type { Message, MessageFilter } from "../message-types.ts";
import type { Arguments, Json } from "../types.ts";
import { headersOf, isAboutDeath } from "./deaths.ts";

export const PROPERTIES = [
  "content_type",
  "content_encoding",
  "delivery_mode",
  "priority",
  "correlation_id",
  "reply_to",
  "expiration",
  "message_id",
  "timestamp",
  "type",
  "user_id",
  "app_id",
  "cluster_id",
] as const;

/** A value as it is typed: JSON if it is some, else a text. Nothing is any value. */
export function typedValue(text: string): Json {
  if (text === "") return null;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

const NUMBERS = new Set(["delivery_mode", "priority", "timestamp"]);

export function filterOf(values: Values): MessageFilter {
  const filter: MessageFilter = {};
  for (const name of ["body", "routing_key", "death_reason", "death_queue"] as const) {
    const text = values.text(name);
    if (text !== "") filter[name] = text;
  }
  const exchange = values.text("from_exchange");
  if (exchange !== "") filter.exchange = exchange;
  const header = values.text("header");
  if (header !== "") filter.headers = { [header]: typedValue(values.text("header_value")) };
  const property = values.text("property");
  if (property !== "") {
    const text = values.text("property_value");
    filter.properties = { [property]: NUMBERS.has(property) ? typedValue(text) : text || null };
  }
  return filter;
}

/** The filter in an address; none for what is not one. */
export function filterIn(text: string | null): MessageFilter {
  try {
    const found: unknown = JSON.parse(text ?? "{}");
    return typeof found === "object" && found !== null && !Array.isArray(found)
      ? (found as MessageFilter)
      : {};
  } catch {
    return {};
  }
}

export const isEmpty = (filter: MessageFilter): boolean => Object.keys(filter).length === 0;

/** The conditions of a filter, each in words. */
export function conditions(filter: MessageFilter): string[] {
  const { body, routing_key: key, exchange, headers = {}, properties = {} } = filter;
  const said: (string | false)[] = [
    body !== undefined && `the body contains ${JSON.stringify(body)}`,
    key !== undefined && `the routing key is ${key || "empty"}`,
    exchange !== undefined && `the exchange is ${exchange || "the default exchange"}`,
    ...Object.entries(headers).map(([name, value]) => condition(`header ${name}`, value)),
    ...Object.entries(properties).map(([name, value]) => condition(name, value)),
    filter.death_reason !== undefined && `it died because of: ${filter.death_reason}`,
    filter.death_queue !== undefined && `it died in ${filter.death_queue}`,
  ];
  return said.filter((each) => each !== false);
}

function condition(name: string, value: Json | undefined): string {
  return value === null || value === undefined ? `there is a ${name}` : `${name} is ${inline(value)}`;
}

/** Bodies that are sought as a whole. */
const BODY_MAX = 2000;

/** A filter that fits a message, and others only if they are the same in all that is known of it. */
export function filterLike(message: Message): MessageFilter {
  const headers: Arguments = Object.fromEntries(
    Object.entries(headersOf(message)).filter(([name]) => !isAboutDeath(name)),
  );
  const properties: Arguments = {};
  for (const [name, value] of Object.entries(message.properties)) {
    if (name !== "headers" && value !== undefined && value !== null) properties[name] = value;
  }
  const filter: MessageFilter = { routing_key: message.routing_key, exchange: message.exchange };
  if (Object.keys(headers).length > 0) filter.headers = headers;
  if (Object.keys(properties).length > 0) filter.properties = properties;
  const isText = message.payload_encoding === "string" && message.payload.length <= BODY_MAX;
  if (isText && message.payload !== "") filter.body = message.payload;
  return filter;
}
