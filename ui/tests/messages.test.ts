import assert from "node:assert/strict";
import { test } from "node:test";
import { Values } from "../src/components/form.tsx";
import { ENTRIES_MAX, Log, matching } from "../src/log.ts";
import type { BrokerEvent, Message } from "../src/message-types.ts";
import { deathsOf, whyDied } from "../src/messages/deaths.ts";
import { draftIn, draftOf, propertiesOf } from "../src/messages/drafts.ts";
import { conditions, filterLike, filterOf, typedValue } from "../src/messages/filter.ts";
import { hexDump, legible, octetsOf, prettyJson, snippet, textOf } from "../src/messages/payload.ts";

function text(payload: string, size = new TextEncoder().encode(payload).length) {
  return { payload, payload_encoding: "string" as const, payload_bytes: size };
}

function octets(...values: number[]) {
  const payload = btoa(String.fromCharCode(...values));
  return { payload, payload_encoding: "base64" as const, payload_bytes: values.length };
}

const written = (pieces: { text: string }[] | undefined) => pieces?.map((piece) => piece.text).join("");

test("JSON is indented, and its numbers and texts are as they were written", () => {
  const source = '{"id":12345678901234567890,"n":1.0,"t":"\\u202e","e":[],"o":{},"l":[1,{"a":null}]}';
  assert.equal(
    written(prettyJson(source)),
    `{
  "id": 12345678901234567890,
  "n": 1.0,
  "t": "\\u202e",
  "e": [],
  "o": {},
  "l": [
    1,
    {
      "a": null
    }
  ]
}`,
  );
  assert.deepEqual(
    prettyJson('{"a":"b"}')?.map(({ kind }) => kind),
    ["plain", "key", "plain", "string", "plain"],
  );
  assert.equal(prettyJson("{nope}"), undefined);
  assert.equal(written(prettyJson('"{\\"a\\": [1,2]}"')), '"{\\"a\\": [1,2]}"');
});

test("characters that are not seen, or turn others around, are written as in JSON", () => {
  assert.equal(written(legible("a\u0000b\u202ec\u200b\n\t")), "a\\u0000b\\u202ec\\u200b\n\t");
  assert.deepEqual(
    legible("a\u202e").map(({ kind }) => kind),
    ["plain", "escape"],
  );
  assert.equal(written(prettyJson('"a\u202eb"')), '"a\\u202eb"');
});

test("a text that was cut within a character is a text; other octets are none", () => {
  const whole = octets(0x7a, 0xc3);
  assert.equal(textOf(whole), undefined);
  assert.equal(textOf({ ...whole, payload_bytes: 100 }), "z");
  assert.equal(textOf({ ...octets(0xff, 0xfe, 0x00), payload_bytes: 100 }), undefined);
  assert.equal(textOf(text("ß")), "ß");
});

test("octets in hex, with ASCII beside them", () => {
  const values = [...Array(17).keys()].map((index) => (index === 0 ? 0xff : 0x40 + index));
  assert.equal(
    hexDump(octetsOf(octets(...values))),
    "00000000  ff 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  ·ABCDEFGHIJKLMNO\n" +
      "00000010  50                                                P",
  );
  assert.equal(snippet(octets(0, 255)), "00 ff");
  assert.equal(snippet(text("two\n  lines")), "two lines");
});

// --- deaths

test("deaths are told from the first one on, and what is no history is none", () => {
  const [first, last] = deathsOf({
    "x-death": [
      { count: 2, reason: "rejected", queue: "b", exchange: "dlx", "routing-keys": ["k"], time: 7 },
      { count: 1, reason: "expired", queue: "a", exchange: "", "original-expiration": "60000" },
      "nonsense",
      null,
    ],
  });
  assert.deepEqual([first?.queue, last?.queue, last?.at, last?.routingKeys], ["a", "b", 7000, ["k"]]);
  assert.match(whyDied(first as never), /time to live was over .* \(its expiration was 1 min\)$/);
  assert.match(whyDied(last as never), /rejected it.*; 2 times here$/);
  assert.deepEqual(deathsOf({ "x-death": "x" }), []);
  assert.deepEqual(deathsOf({ "x-death": [{ time: {}, queue: 3 }] })[0]?.queue, "");
});

// --- filters and drafts

function valuesOf(fields: Record<string, string>): Values {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return new Values(data);
}

test("a filter has what is in the fields, with values of their types", () => {
  assert.deepEqual(filterOf(valuesOf({ body: "", routing_key: "" })), {});
  assert.deepEqual(
    filterOf(
      valuesOf({
        body: "x",
        header: "__proto__",
        header_value: "7",
        property: "priority",
        property_value: "3",
      }),
    ),
    { body: "x", headers: { ["__proto__"]: 7 }, properties: { priority: 3 } },
  );
  const filter = filterOf(
    valuesOf({ header: "h", header_value: "", property: "message_id", property_value: "7" }),
  );
  assert.deepEqual(filter, { headers: { h: null }, properties: { message_id: "7" } });
  assert.deepEqual(conditions(filter), ["there is a header h", "message_id is 7"]);
  assert.deepEqual(['"7"', "true", "a b", ""].map(typedValue), ["7", true, "a b", null]);
});

const MESSAGE: Message = {
  exchange: "dlx",
  routing_key: "k",
  redelivered: false,
  properties: {
    headers: { a: 1, "x-death": [], "x-first-death-queue": "q" },
    message_id: "m",
    delivery_mode: 2,
  },
  ...text("body"),
};

test("a message is found again by all that is known of it but its deaths, which change", () => {
  assert.deepEqual(filterLike(MESSAGE), {
    routing_key: "k",
    exchange: "dlx",
    headers: { a: 1 },
    properties: { message_id: "m", delivery_mode: 2 },
    body: "body",
  });
  assert.deepEqual(filterLike({ ...MESSAGE, properties: [], ...octets(255) }), {
    routing_key: "k",
    exchange: "dlx",
  });
});

test("a message is published again without its history", () => {
  const draft = draftOf(MESSAGE);
  assert.deepEqual(propertiesOf(draft), { message_id: "m", delivery_mode: 2, headers: { a: 1 } });
  assert.deepEqual([draft.payload, draft.encoding], ["body", "string"]);
});

test("what is written in a form is a message, or it is said why not", () => {
  const fields = {
    exchange: "",
    routing_key: "q",
    payload: "a\r\nb",
    persistent: "on",
    priority: "5",
    headers: "[]",
  };
  assert.deepEqual(draftIn(valuesOf({ ...fields, type: " t " })), {
    exchange: "",
    routing_key: "q",
    properties: { delivery_mode: 2, priority: 5, type: "t" },
    headers: {},
    payload: "a\nb",
    encoding: "string",
  });
  assert.throws(() => draftIn(valuesOf({ ...fields, priority: "high" })), /priority must be a whole number/);
});

// --- logs

const event = (name: string): BrokerEvent => ({ name, at: 0, properties: { name } });

test("a log keeps the newest entries, and counts those that are gone", () => {
  const log = new Log();
  for (let at = 0; at < ENTRIES_MAX + 5; at += 1) log.add({ kind: "event", at, event: event(`e${at}`) });
  assert.equal(log.entries.length, ENTRIES_MAX);
  assert.equal(log.forgotten, 5);
  assert.equal(log.entries[0]?.at, ENTRIES_MAX + 4);
  assert.equal(log.entries.at(-1)?.at, 5);
  log.clear();
  assert.deepEqual([log.entries, log.forgotten], [[], 0]);
});

test("entries that come a little late have their place by time, but not across a gap", () => {
  const log = new Log();
  for (const at of [1, 3, 2, 3]) log.add({ kind: "event", at, event: event(`e${at}`) });
  assert.deepEqual(
    log.entries.map(({ at, id }) => [at, id]),
    [
      [3, 4],
      [3, 2],
      [2, 3],
      [1, 1],
    ],
  );
  log.add({ kind: "gap", at: 99, text: "gone" });
  log.add({ kind: "event", at: 2, event: event("e") });
  assert.deepEqual(
    log.entries.map(({ kind }) => kind),
    ["event", "gap", "event", "event", "event", "event"],
  );
});

test("a filter looks into names and values", () => {
  const log = new Log();
  log.add({ kind: "event", at: 1, event: event("queue.created") });
  log.add({ kind: "gap", at: 2, text: "hidden" });
  assert.equal(matching(log.entries, "QUEUE").length, 1);
  assert.equal(matching(log.entries, " ").length, 2);
  assert.equal(matching(log.entries, "nope").length, 0);
});
