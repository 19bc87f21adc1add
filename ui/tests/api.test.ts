import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, at, isLoginRefused, query, refusalOf } from "../src/api.ts";

test("what is put into a path is encoded", () => {
  assert.equal(at`/queues/${"/"}/${"a/b?c#d%"}`, "/queues/%2F/a%2Fb%3Fc%23d%25");
  assert.equal(at`/overview`, "/overview");
});

test("parameters without a value are left out", () => {
  assert.equal(query({ page: 1, name: "", sort: undefined, use_regex: false }), "?page=1&use_regex=false");
  assert.equal(query({}), "");
});

test("a refusal has the words of the API", () => {
  const said = (body: unknown) => refusalOf(400, JSON.stringify(body)).message;
  assert.equal(said({ error: "bad_request", reason: "no exchange 'x'" }), "no exchange 'x'");
  assert.equal(said({ error: "bad_request" }), "bad_request");
  assert.equal(said({ error: "bad_request", reason: ["not_boolean", "x"] }), "not_boolean: x");
  const regexp = ["invalid_regexp", [40], [[109, 105, 115, 115, 105, 110, 103, 32, 41], 1]];
  assert.equal(said({ error: "bad_request", reason: regexp }), "invalid_regexp: (: missing ): 1");
  assert.equal(refusalOf(500, "").message, "HTTP 500");
  assert.equal(refusalOf(502, "<html>").message, "<html>");
});

test("a login that is refused is told from a request that is", () => {
  assert.equal(isLoginRefused(new ApiError(401, "not_authorized", "Login failed")), true);
  assert.equal(isLoginRefused(new ApiError(401, "not_authorised", "Not monitor user")), false);
  assert.equal(isLoginRefused(new ApiError(403, "not_authorized", "")), false);
});
