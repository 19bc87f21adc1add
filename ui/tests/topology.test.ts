import assert from "node:assert/strict";
import { test } from "node:test";
import type { Explanation } from "../src/message-types.ts";
import { fitted, moved, revealing, zoomed } from "../src/topology/camera.ts";
import { type Choices, graphOf, idOf, type Objects, shapeOf } from "../src/topology/graph.ts";
import { HEIGHT, layOut, WIDTH } from "../src/topology/layout.ts";
import { litBy } from "../src/topology/lit.ts";
import type { Binding, Exchange, Queue } from "../src/types.ts";

const FEW: Choices = { withDefault: false, withUnused: false };

function exchange(name: string, more: Partial<Exchange> = {}): Exchange {
  return {
    name,
    vhost: "/",
    type: "topic",
    durable: true,
    auto_delete: false,
    internal: false,
    arguments: {},
    ...more,
  };
}

function queue(name: string, given: Record<string, string> = {}): Queue {
  return {
    name,
    vhost: "/",
    type: "classic",
    durable: true,
    auto_delete: false,
    exclusive: false,
    arguments: given,
    state: "running",
  };
}

function binding(
  source: string,
  destination: string,
  key = "",
  kind: Binding["destination_type"] = "queue",
): Binding {
  return {
    source,
    vhost: "/",
    destination,
    destination_type: kind,
    routing_key: key,
    arguments: {},
    properties_key: key,
  };
}

const SHOP: Objects = {
  exchanges: [
    exchange(""),
    exchange("amq.topic"),
    exchange("orders", { arguments: { "alternate-exchange": "unknown" } }),
    exchange("unknown"),
    exchange("archive"),
    exchange("dead"),
  ],
  queues: [
    queue("billing", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "retry" }),
    queue("retry", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "billing" }),
    queue("invoices", { "x-dead-letter-exchange": "dead" }),
    queue("lost", { "x-dead-letter-exchange": "nowhere" }),
    queue("graves"),
  ],
  bindings: [
    binding("", "billing", "billing"),
    binding("orders", "billing", "order.*.paid"),
    binding("orders", "billing", "order.free"),
    binding("orders", "archive", "#", "exchange"),
    binding("archive", "invoices"),
    binding("dead", "graves"),
  ],
  policies: [],
};

function relations(objects: Objects, choices = FEW): string[] {
  const { nodes, edges } = graphOf(objects, choices);
  return edges.map(
    ({ from, to, kind, labels }) =>
      `${nodes[from]?.name} ${kind} ${nodes[to]?.name}${labels.some(Boolean) ? ` ${labels.join(" | ")}` : ""}`,
  );
}

test("bindings between the same two are one relation; dead letters and alternates are others", () => {
  assert.deepEqual(relations(SHOP), [
    "orders binding billing order.*.paid | order.free",
    "orders binding archive #",
    "archive binding invoices",
    "dead binding graves",
    "orders alternate unknown",
    "billing dead-letter retry retry",
    "retry dead-letter billing billing",
    "invoices dead-letter dead",
    "lost dead-letter nowhere",
  ]);
});

test("policies say where dead letters and unroutable messages go, where arguments do not", () => {
  const objects: Objects = {
    exchanges: [exchange("a", { policy: "p" }), exchange("b")],
    queues: [{ ...queue("q"), effective_policy_definition: { "dead-letter-exchange": "b" } }],
    bindings: [],
    policies: [
      {
        vhost: "/",
        name: "p",
        pattern: "",
        "apply-to": "all",
        priority: 0,
        definition: { "alternate-exchange": "b" },
      },
    ],
  };
  assert.deepEqual(relations(objects), ["a alternate b", "q dead-letter b"]);
});

test("what is not there is shown as missing, and what is of no use only if it is wanted", () => {
  const names = (choices: Choices) => graphOf(SHOP, choices).nodes.map(({ name }) => name);
  const { nodes } = graphOf(SHOP, FEW);
  assert.deepEqual(
    nodes.filter(({ isMissing }) => isMissing).map(({ name }) => name),
    ["nowhere"],
  );
  assert.equal(names(FEW).includes("amq.topic"), false);
  assert.equal(names({ ...FEW, withUnused: true }).includes("amq.topic"), true);
  assert.equal(names(FEW).includes(""), false);
  assert.equal(names({ ...FEW, withDefault: true }).includes(""), true);
});

test("names are no keys of objects", () => {
  const objects: Objects = {
    exchanges: [exchange("__proto__"), exchange("constructor")],
    queues: [queue("__proto__")],
    bindings: [binding("__proto__", "constructor", "toString", "exchange")],
    policies: [],
  };
  assert.deepEqual(relations(objects), ["__proto__ binding constructor toString"]);
});

test("messages go to the right: exchanges, queues, and where they go when they die", () => {
  const graph = graphOf(SHOP, FEW);
  const { x } = layOut(graph);
  const at = (kind: "exchange" | "queue", name: string) =>
    x[graph.indexOf.get(idOf(kind, name)) ?? -1] ?? NaN;
  assert.ok(at("exchange", "orders") < at("exchange", "archive"));
  assert.equal(at("exchange", "archive"), at("exchange", "unknown"));
  assert.ok(at("exchange", "archive") < at("queue", "invoices"));
  assert.equal(at("queue", "billing"), at("queue", "invoices"));
  assert.ok(at("queue", "billing") < at("queue", "retry"));
  assert.ok(at("queue", "invoices") < at("exchange", "dead"));
  assert.ok(at("exchange", "dead") < at("queue", "graves"));
});

test("no node covers another one, however many there are, and cycles are no problem", () => {
  const many = 300;
  const exchanges = Array.from({ length: 40 }, (_, index) => exchange(`e${index}`));
  const queues = Array.from({ length: many }, (_, index) => queue(`q${index}`));
  const bindings = [
    ...queues.map(({ name }, index) => binding(`e${(index * 7) % 40}`, name)),
    ...exchanges.map(({ name }, index) => binding(name, `e${(index * 11 + 3) % 40}`, "", "exchange")),
  ];
  const graph = graphOf({ exchanges, queues, bindings, policies: [] }, FEW);
  const { x, y, columns } = layOut(graph);
  assert.equal(columns.flat().length, graph.nodes.length);
  for (let one = 0; one < graph.nodes.length; one += 1) {
    for (let other = 0; other < one; other += 1) {
      const isApart =
        Math.abs((x[one] ?? 0) - (x[other] ?? 0)) >= WIDTH ||
        Math.abs((y[one] ?? 0) - (y[other] ?? 0)) >= HEIGHT;
      assert.ok(isApart, `${one} covers ${other}`);
    }
  }
});

test("places stay when only numbers change", () => {
  const busy = { ...SHOP, queues: SHOP.queues.map((each) => ({ ...each, messages_ready: 7 })) };
  assert.equal(shapeOf(graphOf(SHOP, FEW)), shapeOf(graphOf(busy, FEW)));
  const more = { ...SHOP, queues: [...SHOP.queues, queue("new")] };
  assert.notEqual(shapeOf(graphOf(SHOP, FEW)), shapeOf(graphOf(more, FEW)));
});

test("the way of a message is lit; what it did not take is told apart", () => {
  const graph = graphOf(SHOP, FEW);
  const told = (destination: string, kind: string, matched: boolean) => ({
    matched,
    destination,
    destination_type: kind,
    routing_key: "",
    arguments: {},
    reason: "",
    nearest: [],
  });
  const explanation = {
    queues: ["billing"],
    exchanges: [
      {
        name: "orders",
        bindings: [
          told("billing", "queue", true),
          told("billing", "queue", false),
          told("archive", "exchange", false),
        ],
        alternate: { exchange: "unknown", used: false },
      },
    ],
  } as unknown as Explanation;
  const { nodes, edges, refused } = litBy(explanation, graph);
  const named = (indices: Set<number>) => [...indices].map((index) => graph.nodes[index]?.name);
  assert.deepEqual(named(nodes), ["orders", "billing"]);
  const ends = (indices: Set<number>) =>
    [...indices].map((index) => graph.nodes[graph.edges[index]?.to ?? -1]?.name);
  assert.deepEqual([ends(edges), ends(refused)], [["billing"], ["archive"]]);
});

test("a place stays under the pointer when it is zoomed, and all fits into the view", () => {
  const camera = { x: 10, y: 20, zoom: 1 };
  const near = zoomed(camera, 2, 110, 220);
  assert.deepEqual([(110 - near.x) / near.zoom, (220 - near.y) / near.zoom], [100, 200]);
  assert.deepEqual(moved(camera, 5, -5), { x: 15, y: 15, zoom: 1 });
  const box = { left: -100, top: 0, right: 1900, bottom: 500 };
  const { x, y, zoom } = fitted(box, 800, 600);
  assert.ok(box.left * zoom + x >= 0 && box.right * zoom + x <= 800);
  assert.ok(box.top * zoom + y >= 0 && box.bottom * zoom + y <= 600);
  assert.equal(revealing(camera, { left: 0, top: 0, right: 50, bottom: 50 }, 800, 600), camera);
  assert.notEqual(revealing(camera, { left: 5000, top: 0, right: 5050, bottom: 50 }, 800, 600), camera);
});
