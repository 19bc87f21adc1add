// rabbitmq-client's channels: the protocol's methods with named parameters.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Connection } from "rabbitmq-client";
import { AMQP_URL, Inbox, check, main, nameOf } from "./checks.mjs";

async function withChannel(work) {
  const rabbit = new Connection(AMQP_URL);
  try {
    const channel = await rabbit.acquire();
    await work(channel, rabbit);
    await channel.close();
    await rabbit.close();
  } finally {
    rabbit.unsafeDestroy();
  }
}

/** The bodies of all messages in a queue, which is empty then. */
async function bodiesIn(channel, queue) {
  const bodies = [];
  for (;;) {
    const message = await channel.basicGet({ queue, noAck: true });
    if (!message) return bodies;
    bodies.push(message.body);
  }
}

const bodies = (messages) => messages.map(({ body }) => body).join("");
const sha256 = (body) => createHash("sha256").update(body).digest("hex");

check("topology", () =>
  withChannel(async (channel, rabbit) => {
    const names = ["direct", "fanout", "topic", "headers", "queue"];
    const [direct, fanout, topic, headers, queue] = names.map((what) =>
      nameOf(`topology.${what}`),
    );
    const declare = (exchange, type, more) =>
      rabbit.exchangeDeclare({ exchange, type, ...more });
    await declare(direct, "direct", { durable: true });
    await declare(fanout, "fanout", { durable: false });
    await declare(topic, "topic", { autoDelete: true });
    await declare(headers, "headers", {
      arguments: { "alternate-exchange": fanout },
    });
    const limit = { "x-max-length": 10 };
    await rabbit.queueDeclare({ queue, durable: true, arguments: limit });

    const red = { queue, exchange: direct, routingKey: "red" };
    const blue = { destination: fanout, source: direct, routingKey: "blue" };
    await rabbit.queueBind(red);
    await rabbit.exchangeBind(blue);
    await rabbit.queueBind({ queue, exchange: fanout });
    await rabbit.queueBind({ queue, exchange: topic, routingKey: "*.b.#" });
    await rabbit.queueBind({
      queue,
      exchange: headers,
      arguments: { "x-match": "all", colour: "green", number: 1 },
    });
    const publish = (exchange, routingKey, headers) =>
      channel.basicPublish({ exchange, routingKey, headers }, routingKey);
    await publish(direct, "red");
    await publish(direct, "blue");
    await publish(direct, "yellow");
    await publish(topic, "a.b");
    await publish(topic, "b.b.c.d");
    await publish(topic, "a.a.b");
    await publish(headers, "match", { colour: "green", number: 1 });
    await publish(headers, "alternate", { number: 1 });
    const arrived = ["red", "blue", "a.b", "b.b.c.d", "match", "alternate"];
    assert.deepEqual(await bodiesIn(channel, queue), arrived);

    await rabbit.queueUnbind(red);
    await rabbit.exchangeUnbind(blue);
    await publish(direct, "red");
    await publish(direct, "blue");
    for (let number = 0; number < 12; number++)
      await publish(fanout, `${number}`);
    await rabbit.exchangeDeclare({ exchange: direct, passive: true });
    const passive = await channel.queueDeclare({ queue, passive: true });
    assert.deepEqual(passive, { queue, messageCount: 10, consumerCount: 0 });
    const purged = await channel.queuePurge(queue);
    assert.deepEqual(purged, { messageCount: 10 });
    await publish(fanout, "last");
    const deleted = await channel.queueDelete(queue);
    assert.deepEqual(deleted, { messageCount: 1 });
    for (const exchange of [direct, fanout, headers])
      await rabbit.exchangeDelete({ exchange });
    await assert.rejects(
      rabbit.exchangeDeclare({ exchange: topic, passive: true }),
      { name: "AMQPChannelError", code: "NOT_FOUND" }, // gone with its last binding
    );
  }),
);

check("properties", () =>
  withChannel(async (channel) => {
    const properties = {
      contentType: "text/plain",
      headers: {
        string: "ü",
        boolean: true,
        nothing: null,
        byte: -128,
        short: 32767,
        int: -2147483648,
        long: 2 ** 40,
        double: 0.5,
        array: [1, "two", [3.5]],
        table: { inner: { deep: false } },
      },
      deliveryMode: 2,
      priority: 9,
      correlationId: "correlation",
      replyTo: "reply.to",
      expiration: "60000",
      messageId: "message",
      timestamp: 1700000000,
      type: "kind",
      userId: "guest",
      appId: "app",
    };
    const { queue } = await channel.queueDeclare({ exclusive: true });
    await channel.basicPublish({ ...properties, routingKey: queue }, "text");
    const received = await channel.basicGet(queue);
    for (const [name, value] of Object.entries(properties))
      assert.deepEqual(received[name], value, name);
    assert.equal(received.body, "text");

    await channel.basicPublish(queue, { encoded: ["as", "JSON"] });
    const { contentType, body } = await channel.basicGet(queue);
    assert.equal(contentType, "application/json");
    assert.deepEqual(body, { encoded: ["as", "JSON"] });
  }),
);

check("prefetch", () =>
  withChannel(async (channel) => {
    const { queue } = await channel.queueDeclare({ exclusive: true });
    for (const body of "abcdef") await channel.basicPublish(queue, body);
    await channel.basicQos({ prefetchCount: 2 });
    const inbox = new Inbox();
    await channel.basicConsume({ queue }, inbox.put);
    const [a, b] = await inbox.takeAll(2);
    const counts = await channel.queueDeclare({ queue, passive: true });
    assert.equal(counts.messageCount, 4);
    assert(inbox.isEmpty);
    channel.basicAck({ deliveryTag: b.deliveryTag, multiple: true });
    const [c, d] = await inbox.takeAll(2);
    channel.basicNack({ deliveryTag: d.deliveryTag });
    const again = await inbox.take();
    assert.equal(bodies([a, b, c, d, again]), "abcdd");
    assert(!d.redelivered && again.redelivered);
    channel.basicAck({ deliveryTag: again.deliveryTag, multiple: true });
    const rest = await inbox.takeAll(2);
    await channel.basicRecover({ requeue: true });
    const recovered = await inbox.takeAll(2);
    assert.equal(bodies([...rest, ...recovered]), "efef");
    assert(recovered.every(({ redelivered }) => redelivered));
  }),
);

check("large body", () =>
  withChannel(async (channel) => {
    const { queue } = await channel.queueDeclare({ exclusive: true });
    const inbox = new Inbox();
    await channel.basicConsume({ queue, noAck: true }, inbox.put);
    const frame = 8192 - 8; // the library's default frameMax, less what is around a body
    for (const size of [0, 1, frame - 1, frame, frame + 1, 16 * 1024 * 1024]) {
      const body = randomBytes(size);
      await channel.basicPublish(queue, body);
      const received = await inbox.take();
      assert.equal(received.body.length, size);
      assert.equal(sha256(received.body), sha256(body));
    }
  }),
);

check("transactions", () =>
  withChannel(async (channel) => {
    const { queue } = await channel.queueDeclare({ exclusive: true });
    await channel.txSelect();
    await channel.basicPublish(queue, "rolled back");
    await channel.txRollback();
    await channel.basicPublish(queue, "committed");
    assert.equal(await channel.basicGet(queue), undefined);
    await channel.txCommit();
    assert.deepEqual(await bodiesIn(channel, queue), ["committed"]);
  }),
);

await main();
