import assert from "node:assert/strict";
import { test } from "node:test";
import { EventReader, readEvents } from "../src/sse.ts";

const STREAM = 'event: answer\ndata: {"of":0}\n\n: still there\n\ndata: a\ndata: b\n\nevent: x\n\n';
const EVENTS = [
  { name: "answer", data: '{"of":0}' },
  { name: "message", data: "a\nb" },
];

test("events are found wherever the stream is cut", () => {
  for (let at = 0; at <= STREAM.length; at += 1) {
    const reader = new EventReader();
    assert.deepEqual([...reader.read(STREAM.slice(0, at)), ...reader.read(STREAM.slice(at))], EVENTS);
  }
});

test("lines may end with a carriage return", () => {
  const stream = STREAM.replaceAll("\n", "\r\n");
  for (let at = 0; at <= stream.length; at += 1) {
    const reader = new EventReader();
    assert.deepEqual([...reader.read(stream.slice(0, at)), ...reader.read(stream.slice(at))], EVENTS);
  }
});

test("an event without its end is none yet", () => {
  const reader = new EventReader();
  assert.deepEqual(reader.read("data: a\n"), []);
  assert.deepEqual(reader.read("\n"), [{ name: "message", data: "a" }]);
});

test("only one space behind the colon is not part of the value", () => {
  assert.deepEqual(new EventReader().read("data:  a\n\ndata:b\n\n"), [
    { name: "message", data: " a" },
    { name: "message", data: "b" },
  ]);
});

test("a character may be cut in two", async () => {
  const octets = new TextEncoder().encode("data: Grüße 🐰\n\n");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const octet of octets) controller.enqueue(new Uint8Array([octet]));
      controller.close();
    },
  });
  const found: string[] = [];
  await readEvents(body, ({ data }) => found.push(data));
  assert.deepEqual(found, ["Grüße 🐰"]);
});
