import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, count, duration, inline, list, micros, plural, rate, short } from "../src/format.ts";

test("numbers", () => {
  assert.equal(count(1234567), "1,234,567");
  assert.equal(count(undefined), "–");
  assert.equal(rate(0), "0");
  assert.equal(rate(0.04), "<0.1");
  assert.equal(rate(99.95), "100.0");
  assert.equal(rate(1234.5), "1,235");
  assert.equal(short(1500), "1.5k");
  assert.equal(short(2_000_000), "2M");
  assert.equal(short(0.25), "0.25");
});

test("bytes", () => {
  assert.equal(bytes(0), "0 B");
  assert.equal(bytes(1023), "1023 B");
  assert.equal(bytes(1024), "1.0 KiB");
  assert.equal(bytes(150 * 1024 * 1024), "150 MiB");
  assert.equal(bytes(2 ** 60), "1024 PiB");
  assert.equal(bytes(null), "–");
});

test("spans of time have two units that follow each other", () => {
  assert.equal(duration(0), "0 ms");
  assert.equal(duration(999), "999 ms");
  assert.equal(duration(1000), "1 s");
  assert.equal(duration(61_000), "1 min 1 s");
  assert.equal(duration(3_600_000), "1 h");
  assert.equal(duration(3_601_000), "1 h");
  assert.equal(duration(90_061_000), "1 d 1 h");
});

test("short spans of time", () => {
  assert.equal(micros(0), "0 µs");
  assert.equal(micros(999.4), "999 µs");
  assert.equal(micros(1000), "1.0 ms");
  assert.equal(micros(250_000), "250 ms");
  assert.equal(micros(1_500_000), "1.5 s");
  assert.equal(micros(undefined), "–");
});

test("words", () => {
  assert.equal(plural(1, "message"), "1 message");
  assert.equal(plural(2000, "policy", "policies"), "2,000 policies");
  assert.equal(list(["a"]), "a");
  assert.equal(list(["a", "b", "c"]), "a, b and c");
  assert.equal(inline("a\nb"), "a\nb");
  assert.equal(inline({ a: [1, null] }), '{"a":[1,null]}');
});
