/** What the arguments of queues and exchanges mean, in words. Policy keys are the same without the `x-`. */
import { bytes, count, duration, plural } from "./format.ts";
import type { Json } from "./types.ts";

type Kind = "number" | "text" | "boolean";
type Target = "classic" | "quorum" | "stream" | "exchange";

export interface Meaning {
  name: string;
  kind: Kind;
  of: Target[];
  /** One sentence about a value. */
  say: (value: Json) => string;
  choices?: string[];
  /** False if policies do not have it. */
  inPolicy?: boolean;
  /** What applies when an argument and a policy say both something; the argument, if this is not there. */
  merge?: "least" | "policy";
}

const span = (value: Json) => duration(Number(value));
const BOTH: Target[] = ["classic", "quorum"];
const STREAM: Target[] = ["stream"];

const OVERFLOWS: Record<string, string> = {
  "drop-head": "When it is full, the oldest messages are dropped.",
  "reject-publish": "When it is full, new messages are refused.",
  "reject-publish-dlx": "When it is full, new messages are refused, and go to the dead letter exchange.",
};
const RETRIES: Record<string, string> = {
  all: "Every returned message waits before it is delivered again.",
  failed: "A message that failed waits before it is delivered again.",
  returned: "A message that was given back waits before it is delivered again.",
  disabled: "Returned messages are delivered again at once.",
};

function meaning(
  name: string,
  kind: Kind,
  of: Target[],
  say: (value: Json) => string,
  more: Partial<Meaning> = {},
) {
  return { name, kind, of, say, ...more };
}

const ONLY_ARGUMENT = { inPolicy: false };
const LEAST = { merge: "least" } as const;

export const MEANINGS: Meaning[] = [
  meaning("x-message-ttl", "number", BOTH, (value) => `Messages expire after ${span(value)}.`, LEAST),
  meaning(
    "x-expires",
    "number",
    BOTH,
    (value) => `The queue is deleted when nobody has used it for ${span(value)}.`,
    LEAST,
  ),
  meaning(
    "x-max-length",
    "number",
    BOTH,
    (value) => `It holds ${plural(Number(value), "ready message")} at most.`,
    LEAST,
  ),
  meaning(
    "x-max-length-bytes",
    "number",
    [...BOTH, ...STREAM],
    (value) => `Its messages have ${bytes(Number(value))} together at most.`,
    LEAST,
  ),
  meaning("x-overflow", "text", BOTH, (value) => OVERFLOWS[String(value)] ?? "", {
    choices: Object.keys(OVERFLOWS),
  }),
  meaning("x-dead-letter-exchange", "text", BOTH, (value) =>
    value === "" ? "Dead letters go to the default exchange." : `Dead letters go to the exchange ${value}.`,
  ),
  meaning(
    "x-dead-letter-routing-key",
    "text",
    BOTH,
    (value) => `Dead letters get the routing key “${value}”.`,
  ),
  meaning(
    "x-dead-letter-strategy",
    "text",
    ["quorum"],
    (value) =>
      value === "at-least-once"
        ? "A dead letter is kept until another queue has taken it."
        : "A dead letter that no queue takes is lost.",
    { choices: ["at-most-once", "at-least-once"] },
  ),
  meaning(
    "x-max-priority",
    "number",
    ["classic"],
    (value) =>
      Number(value) === 0 ? "Messages have no priorities." : `Messages have priorities from 0 to ${value}.`,
    ONLY_ARGUMENT,
  ),
  meaning(
    "x-single-active-consumer",
    "boolean",
    BOTH,
    (value) =>
      value ? "One consumer at a time gets the messages; the others wait." : "All consumers get messages.",
    ONLY_ARGUMENT,
  ),
  meaning(
    "x-delivery-limit",
    "number",
    ["quorum"],
    (value) =>
      Number(value) < 0
        ? "A message may be returned any number of times."
        : `A message that was returned more than ${plural(Number(value), "time")} is dropped or dead-lettered.`,
    LEAST,
  ),
  meaning(
    "x-consumer-timeout",
    "number",
    BOTH,
    (value) => `A delivery must be acknowledged within ${span(value)}.`,
    LEAST,
  ),
  meaning("x-queue-type", "text", BOTH, (value) => `It is a ${value} queue.`, {
    choices: ["classic", "quorum", "stream"],
    inPolicy: false,
  }),
  meaning("x-delayed-retry-type", "text", ["quorum"], (value) => RETRIES[String(value)] ?? "", {
    choices: Object.keys(RETRIES),
    merge: "policy",
  }),
  meaning(
    "x-delayed-retry-min",
    "number",
    ["quorum"],
    (value) => `It waits ${span(value)} for each failed delivery.`,
    LEAST,
  ),
  meaning("x-delayed-retry-max", "number", ["quorum"], (value) => `It waits ${span(value)} at most.`, LEAST),
  meaning("x-max-age", "text", STREAM, (value) => `Messages stay for ${value}.`),
  meaning(
    "x-stream-max-segment-size-bytes",
    "number",
    STREAM,
    (value) => `Old messages go in segments of ${bytes(Number(value))}.`,
  ),
  meaning(
    "x-stream-filter-size-bytes",
    "number",
    STREAM,
    (value) => `The filter of a chunk has ${bytes(Number(value))}.`,
  ),
  meaning(
    "x-message-deduplication",
    "boolean",
    BOTH,
    (value) =>
      value
        ? "A message is dropped when one with the same x-deduplication-header is in the queue."
        : "Nothing is deduplicated.",
    ONLY_ARGUMENT,
  ),
  meaning(
    "alternate-exchange",
    "text",
    ["exchange"],
    (value) => `What no binding matches goes to the exchange ${value}.`,
  ),
  meaning(
    "x-delayed-type",
    "text",
    ["exchange"],
    (value) => `After the delay it routes as ${value} exchanges do.`,
    {
      choices: ["direct", "fanout", "topic", "headers"],
      inPolicy: false,
    },
  ),
  meaning(
    "x-recent-history-length",
    "number",
    ["exchange"],
    (value) => `A new binding gets the last ${plural(Number(value), "message")}.`,
    ONLY_ARGUMENT,
  ),
  meaning(
    "x-cache-size",
    "number",
    ["exchange"],
    (value) => `It remembers ${count(Number(value))} messages.`,
    ONLY_ARGUMENT,
  ),
  meaning(
    "x-cache-ttl",
    "number",
    ["exchange"],
    (value) => `It remembers a message for ${span(value)}.`,
    ONLY_ARGUMENT,
  ),
];

const BY_NAME = new Map(MEANINGS.map((each) => [each.name, each]));

/** The meaning of an argument, or of a policy key. */
export function meaningOf(name: string): Meaning | undefined {
  return BY_NAME.get(name) ?? BY_NAME.get(`x-${name}`);
}

/** An argument with its value in words; nothing for one without a known meaning. */
export function inWords(name: string, value: Json): string {
  return meaningOf(name)?.say(value) ?? "";
}

/** The policy keys of queues or exchanges. */
export function policyKeys(): string[] {
  return MEANINGS.filter(({ inPolicy }) => inPolicy !== false).map(({ name }) => name.replace(/^x-/, ""));
}
