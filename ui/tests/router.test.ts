import assert from "node:assert/strict";
import { test } from "node:test";
import { href, parse } from "../src/router.ts";

test("addresses are those of RabbitMQ's pages", () => {
  assert.equal(href("queues", "/", "a b"), "#/queues/%2F/a%20b");
  const { page, names, query } = parse("#/queues/%2F/a%20b?page=2&name=x%26y");
  assert.deepEqual(
    [page, names, Object.fromEntries(query)],
    ["queues", ["/", "a b"], { page: "2", name: "x&y" }],
  );
});

test("the overview has none", () => {
  for (const fragment of ["", "#", "#/", "/"]) assert.deepEqual(parse(fragment).page, "");
});

test("a name comes back from its link, whatever it is", () => {
  for (const name of ["/", "?", "#", "a/b?c#d", "%2F", "%", "ß🐰", "__proto__", " ", "a\nb"]) {
    assert.deepEqual(parse(href("queues", name, name)).names, [name, name]);
  }
});

test("what cannot be decoded is taken as it is", () => {
  assert.deepEqual(parse("#/queues/%zz").names, ["%zz"]);
});
