import assert from "node:assert/strict";
import { test } from "node:test";
import { portions } from "../src/live.ts";

test("a stream takes sixteen resources at most", () => {
  const paths = Array.from({ length: 20 }, (_, index) => `/queues/${index}`);
  assert.deepEqual(
    portions(paths).map((portion) => portion.length),
    [16, 4],
  );
  assert.deepEqual(portions(paths).flat(), paths);
  assert.deepEqual(portions([]), []);
});

test("an address does not become longer than a server takes", () => {
  const paths = Array.from({ length: 10 }, (_, index) => `/queues/${"%C3%9F".repeat(127)}/${index}`);
  for (const portion of portions(paths)) {
    const length = new URLSearchParams(portion.map((path) => ["get", path])).toString().length;
    assert.ok(length < 7000, `${length}`);
  }
  assert.deepEqual(portions(paths).flat(), paths);
  assert.equal(portions([`/${"x".repeat(9000)}`]).length, 1);
});
