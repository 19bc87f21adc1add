import assert from "node:assert/strict";
import { test } from "node:test";
import { effective } from "../src/effective.ts";
import type { Policy } from "../src/types.ts";

function policy(name: string, definition: Policy["definition"]): Policy {
  return { vhost: "/", name, pattern: ".*", "apply-to": "all", priority: 0, definition };
}

test("arguments alone", () => {
  assert.deepEqual(effective({ arguments: { "x-max-length": 5, mine: "x" } }), [
    { name: "mine", value: "x", from: "argument", others: [] },
    { name: "x-max-length", value: 5, from: "argument", others: [] },
  ]);
});

test("of limits the least applies", () => {
  const of = (argument: number, said: number) => {
    const [setting] = effective({
      arguments: { "x-max-length": argument },
      effective_policy_definition: { "max-length": said },
    });
    return [setting?.value, setting?.from, setting?.others];
  };
  assert.deepEqual(of(5, 10), [5, "argument", ["policy: 10"]]);
  assert.deepEqual(of(10, 5), [5, "policy", ["argument: 10"]]);
});

test("other arguments are stronger than policies", () => {
  const [setting] = effective({
    arguments: { "x-dead-letter-exchange": "a" },
    effective_policy_definition: { "dead-letter-exchange": "b" },
  });
  assert.deepEqual([setting?.value, setting?.from], ["a", "argument"]);
});

test("it is told which policy a value is of", () => {
  const settings = effective(
    { arguments: {}, effective_policy_definition: { expires: 1000, "max-length": 5 } },
    policy("p", { expires: 1000, "max-length": 10 }),
    policy("o", { "max-length": 5 }),
  );
  assert.deepEqual(settings, [
    { name: "x-expires", value: 1000, from: "policy", others: [] },
    { name: "x-max-length", value: 5, from: "operator policy", others: ["policy: 10"] },
  ]);
});

test("what is left of an object without keys is an empty list", () => {
  assert.deepEqual(effective({ arguments: {}, effective_policy_definition: [] }), []);
});

test("an exchange has the keys of its policies", () => {
  const settings = effective({ arguments: {} }, policy("p", { "alternate-exchange": "ae" }));
  assert.deepEqual(settings, [{ name: "alternate-exchange", value: "ae", from: "policy", others: [] }]);
});
