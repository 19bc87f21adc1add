// Nodes of moleculer's that talk to each other by way of AMQP.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import Moleculer from "moleculer";
import {
  AMQP_URL,
  Inbox,
  check,
  cut,
  forceClose,
  main,
  nameOf,
} from "./checks.mjs";

/** Does something with nodes that have these services and know of each other. */
async function withNodes(what, services, work, options = {}) {
  const nodes = services.map((service, number) => {
    const node = new Moleculer.ServiceBroker({
      namespace: nameOf(what),
      nodeID: `node-${number}`,
      logger: false,
      transporter: {
        type: "AMQP",
        options: {
          url: AMQP_URL,
          queueOptions: { autoDelete: true },
          exchangeOptions: { autoDelete: true },
        },
      },
      ...options,
    });
    if (service) node.createService(service);
    return node;
  });
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const names = services.flatMap((service) => service?.name ?? []);
    await Promise.all(nodes.map((node) => node.waitForServices(names)));
    await work(...nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

const mathematics = {
  name: "mathematics",
  actions: {
    add: ({ params }) => params.a + params.b,
    divide({ params }) {
      if (params.b !== 0) return params.a / params.b;
      const { ValidationError } = Moleculer.Errors;
      throw new ValidationError("no division by zero", "ZERO", params);
    },
    digest: ({ params }) =>
      createHash("sha256").update(params.text).digest("hex"),
    random: ({ params }) =>
      Readable.from(params.sizes.map((size) => randomBytes(size))),
  },
};

check("calls of remote actions", () =>
  withNodes("calls", [null, mathematics], async (caller) => {
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    const sums = await Promise.all(
      numbers.map((a) => caller.call("mathematics.add", { a, b: 1 })),
    );
    assert.deepEqual(
      sums,
      numbers.map((a) => a + 1),
    );
  }),
);

check("errors", () =>
  withNodes("errors", [null, mathematics], async (caller) => {
    const division = { a: 1, b: 0 };
    await assert.rejects(caller.call("mathematics.divide", division), {
      name: "ValidationError",
      type: "ZERO",
      data: division,
      nodeID: "node-1",
    });
  }),
);

check("large body", () =>
  withNodes("large", [null, mathematics], async (caller) => {
    const text = randomBytes(8 * 1024 * 1024).toString("hex");
    const digest = createHash("sha256").update(text).digest("hex");
    const answer = await caller.call("mathematics.digest", { text });
    assert.equal(answer, digest);
  }),
);

check("an answer that is a stream", () =>
  withNodes("streams", [null, mathematics], async (caller) => {
    const sizes = [200_000, 50_000, 1];
    const stream = await caller.call("mathematics.random", { sizes });
    assert.equal((await buffer(stream)).length, 250_001);
  }),
);

check("events, to all and to one of each group", async () => {
  const inbox = new Inbox();
  const listeners = ["first", "second"].map((name) => ({
    name,
    events: {
      "user.*": {
        group: "listeners",
        // moleculer looks at the parameter's name: another one would be the payload
        handler: (context) =>
          inbox.put({
            name,
            eventName: context.eventName,
            params: context.params,
          }),
      },
    },
  }));
  await withNodes("events", [null, ...listeners], async (sender) => {
    await sender.broadcast("user.created", { id: 1 });
    const all = await inbox.takeAll(2);
    assert.deepEqual(all.map(({ name }) => name).sort(), ["first", "second"]);
    await sender.emit("user.changed", { id: 2 });
    const { eventName, params } = await inbox.take();
    assert.equal(eventName, "user.changed");
    assert.deepEqual(params, { id: 2 });
    await sender.broadcast("user.removed", { id: 3 });
    for (const { eventName } of await inbox.takeAll(2))
      assert.equal(eventName, "user.removed");
  });
});

check("calls that the broker distributes", () => {
  const nodes = [null, mathematics, mathematics];
  return withNodes(
    "balanced",
    nodes,
    async (caller) => {
      const numbers = Array.from({ length: 50 }, (_, number) => number);
      const sums = await Promise.all(
        numbers.map((a) => caller.call("mathematics.add", { a, b: a })),
      );
      assert.deepEqual(
        sums,
        numbers.map((a) => 2 * a),
      );
    },
    { disableBalancer: true },
  );
});

/** The connections of both nodes are ended: they make new ones, and answer again. */
async function recovers(what, end) {
  await withNodes(what, [null, mathematics], async (caller, server) => {
    const connections = new Inbox();
    for (const node of [caller, server])
      node.localBus.on("$transporter.connected", connections.put);
    await end();
    for (const { wasReconnect } of await connections.takeAll(2))
      assert.equal(wasReconnect, true);
    await caller.waitForServices("mathematics");
    assert.equal(await caller.call("mathematics.add", { a: 1, b: 2 }), 3);
  });
}

check("reconnect after a forced close", () => recovers("forced", forceClose));

check("reconnect after a cut", () => recovers("cut", cut));

await main();
