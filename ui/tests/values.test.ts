import assert from "node:assert/strict";
import { test } from "node:test";
import { aligned, levels, numberAt, rates, valueAt } from "../src/values.ts";

test("a path leads into an answer, and to nothing where there is nothing", () => {
  const row = { message_stats: { publish_details: { rate: 2.5 } }, name: "q", empty: [] };
  assert.equal(numberAt(row, "message_stats.publish_details.rate"), 2.5);
  assert.equal(valueAt(row, "name"), "q");
  for (const path of [
    "message_stats.ack_details.rate",
    "empty.x",
    "name.length",
    "constructor",
    "__proto__.x",
  ]) {
    assert.equal(valueAt(row, path), undefined);
  }
  assert.equal(numberAt(row, "name"), undefined);
});

const details = {
  rate: 1,
  samples: [
    { sample: 30, timestamp: 20_000 },
    { sample: 10, timestamp: 15_000 },
    { sample: 10, timestamp: 10_000 },
  ],
};

test("samples come in the order of time", () => {
  assert.deepEqual(levels(details), { times: [10, 15, 20], values: [10, 10, 30] });
  assert.deepEqual(levels(undefined), { times: [], values: [] });
});

test("a rate is the growth from a sample to the next", () => {
  assert.deepEqual(rates(details), { times: [15, 20], values: [0, 4] });
});

test("a counter that begins anew has no negative rate", () => {
  const reset = {
    rate: 0,
    samples: [
      { sample: 5, timestamp: 1000 },
      { sample: 0, timestamp: 2000 },
    ],
  };
  assert.deepEqual(rates(reset).values, [0]);
});

test("curves are drawn on the times of all", () => {
  const one = { times: [1, 2], values: [10, 20] };
  const other = { times: [2, 3], values: [5, 6] };
  assert.deepEqual(aligned([one, other]), {
    times: [1, 2, 3],
    values: [
      [10, 20, null],
      [null, 5, 6],
    ],
  });
});
