// rascal's publications and subscriptions, with promises.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  inboxOf,
  oneQueue,
  outcomeOf,
  subscriptionTo,
  withBroker,
} from "./brokers.mjs";
import { check, main } from "./checks.mjs";

const sha256 = (body) => createHash("sha256").update(body).digest("hex");

check("topology", () =>
  withBroker(
    "topology",
    {
      exchanges: {
        direct: { type: "direct" },
        fanout: { type: "fanout", options: { durable: false } },
        topic: { type: "topic", options: { autoDelete: true } },
        headers: { type: "headers" },
      },
      queues: { queue: { options: { arguments: { "x-max-length": 10 } } } },
      bindings: {
        "direct[red] -> queue": {},
        both: {
          source: "direct",
          destination: "fanout",
          destinationType: "exchange",
          bindingKey: "blue",
        },
        "fanout -> queue": {},
        "topic[a.*.#] -> queue": {},
        "headers -> queue": { options: { colour: "green" } },
      },
      publications: {
        direct: { exchange: "direct" },
        topic: { exchange: "topic" },
        headers: { exchange: "headers" },
      },
      subscriptions: { all: subscriptionTo("queue") },
    },
    async (broker) => {
      const publish = (exchange, routingKey, headers) =>
        outcomeOf(broker, exchange, `${exchange} ${routingKey}`, {
          routingKey,
          options: { headers },
        });
      assert.equal((await publish("direct", "yellow"))[0], "return");
      const inbox = await inboxOf(broker, "all");
      for (const [exchange, routingKey, headers] of [
        ["direct", "red"],
        ["direct", "blue"],
        ["topic", "a.b.c"],
        ["headers", "", { colour: "green" }],
      ]) {
        const [event] = await publish(exchange, routingKey, headers);
        assert.equal(event, "success");
        const { content, ackOrNack } = await inbox.take();
        assert.equal(content, `${exchange} ${routingKey}`);
        ackOrNack();
      }
    },
  ),
);

check("properties", () =>
  withBroker("properties", oneQueue(), async (broker) => {
    const options = {
      contentEncoding: "identity",
      headers: { text: "ü", number: 1, list: [true, null] },
      priority: 3,
      correlationId: "correlation",
      replyTo: "reply.to",
      expiration: "60000",
      messageId: "message",
      timestamp: 1700000000,
      type: "kind",
      userId: "guest",
      appId: "app",
    };
    const body = { encoded: ["as", "JSON"] };
    const [event] = await outcomeOf(broker, "queue", body, { options });
    assert.equal(event, "success");
    const inbox = await inboxOf(broker, "queue");
    const { message, content, ackOrNack } = await inbox.take();
    ackOrNack();
    assert.deepEqual(content, body);
    assert.equal(message.properties.contentType, "application/json");
    assert.equal(message.properties.deliveryMode, 2);
    const { headers, ...others } = options;
    for (const [name, value] of Object.entries(others))
      assert.equal(message.properties[name], value, name);
    for (const [name, value] of Object.entries(headers))
      assert.deepEqual(message.properties.headers[name], value, name);
  }),
);

check("confirms", () => {
  const limit = { "x-max-length": 500, "x-overflow": "reject-publish" };
  return withBroker("confirms", oneQueue(limit), async (broker) => {
    const numbers = Array.from({ length: 500 }, (_, number) => `${number}`);
    const outcomes = await Promise.all(
      numbers.map((number) => outcomeOf(broker, "queue", number)),
    );
    assert(outcomes.every(([event]) => event === "success"));
    const [event, error] = await outcomeOf(broker, "queue", "one more");
    assert.equal(event, "error");
    assert.match(error.message, /nacked/);
  });
});

check("returns", () =>
  withBroker(
    "returns",
    { exchanges: ["exchange"], publications: { p: { exchange: "exchange" } } },
    async (broker) => {
      const overrides = { routingKey: "key" };
      const [event, message] = await outcomeOf(broker, "p", "lost", overrides);
      assert.equal(event, "return");
      assert.equal(message.fields.replyCode, 312);
      assert.equal(message.fields.routingKey, "key");
      assert.equal(String(message.content), "lost");
    },
  ),
);

check("prefetch", () =>
  withBroker("prefetch", oneQueue({}, { prefetch: 2 }), async (broker) => {
    for (const body of "abcd") await outcomeOf(broker, "queue", body);
    const inbox = await inboxOf(broker, "queue");
    const [a, b] = await inbox.takeAll(2);
    assert(inbox.isEmpty);
    b.ackOrNack(null, { all: true });
    const [c, d] = await inbox.takeAll(2);
    d.ackOrNack(new Error("again"), { strategy: "nack", requeue: true });
    const again = await inbox.take();
    assert.equal([a, b, c, d, again].map((m) => m.content).join(""), "abcdd");
    assert.equal(again.message.fields.redelivered, true);
    again.ackOrNack(null, { all: true });
  }),
);

check("large body", () =>
  withBroker("large", oneQueue(), async (broker) => {
    const inbox = await inboxOf(broker, "queue");
    const frame = 4096 - 8; // amqplib's default frameMax, less what is around a body
    for (const size of [0, 1, frame - 1, frame, frame + 1, 16 * 1024 * 1024]) {
      const body = randomBytes(size);
      await outcomeOf(broker, "queue", body);
      const { content, ackOrNack } = await inbox.take();
      assert.equal(content.length, size);
      assert.equal(sha256(content), sha256(body));
      ackOrNack();
    }
  }),
);

await main();
