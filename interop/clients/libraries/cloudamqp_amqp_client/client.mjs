// AMQPClient: the low-level API of @cloudamqp/amqp-client.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { AMQPClient } from "@cloudamqp/amqp-client";
import { AMQP_URL, Inbox, check, main, nameOf } from "./checks.mjs";

async function withConnection(work) {
  const connection = await new AMQPClient(AMQP_URL, undefined, null).connect();
  try {
    await work(connection);
  } finally {
    if (!connection.closed) await connection.close();
  }
}

function withChannel(work) {
  return withConnection(async (connection) =>
    work(await connection.channel(), connection),
  );
}

/** The bodies of all messages in a queue, which is empty then. */
async function bodiesIn(channel, queue) {
  const bodies = [];
  for (;;) {
    const message = await channel.basicGet(queue, { noAck: true });
    if (!message) return bodies;
    bodies.push(message.bodyString());
  }
}

const sha256 = (body) => createHash("sha256").update(body).digest("hex");

check("topology", () =>
  withChannel(async (channel) => {
    const names = ["direct", "fanout", "topic", "headers", "queue"];
    const [direct, fanout, topic, headers, queue] = names.map((what) =>
      nameOf(`topology.${what}`),
    );
    await channel.exchangeDeclare(direct, "direct");
    await channel.exchangeDeclare(fanout, "fanout", { durable: false });
    await channel.exchangeDeclare(topic, "topic", { autoDelete: true });
    const alternate = { "alternate-exchange": fanout };
    await channel.exchangeDeclare(headers, "headers", {}, alternate);
    await channel.queueDeclare(queue, {}, { "x-max-length": 10 });

    await channel.queueBind(queue, direct, "red");
    await channel.exchangeBind(fanout, direct, "blue");
    await channel.queueBind(queue, fanout, "");
    await channel.queueBind(queue, topic, "a.*.#");
    const match = { "x-match": "any", colour: "green", number: 1 };
    await channel.queueBind(queue, headers, "", match);
    const publish = (exchange, key, headers = {}) =>
      channel.basicPublish(exchange, key, key, { headers });
    await publish(direct, "red");
    await publish(direct, "blue");
    await publish(direct, "yellow");
    await publish(topic, "a.b");
    await publish(topic, "b.a");
    await publish(headers, "match", { colour: "red", number: 1 });
    await publish(headers, "alternate", { colour: "red" });
    const arrived = ["red", "blue", "a.b", "match", "alternate"];
    assert.deepEqual(await bodiesIn(channel, queue), arrived);

    await channel.queueUnbind(queue, direct, "red");
    await channel.exchangeUnbind(fanout, direct, "blue");
    await publish(direct, "red");
    await publish(direct, "blue");
    for (let number = 0; number < 12; number++)
      await publish(fanout, `${number}`);
    await channel.exchangeDeclare(direct, "", { passive: true });
    assert.deepEqual(await channel.queueDeclare(queue, { passive: true }), {
      name: queue,
      messageCount: 10,
      consumerCount: 0,
    });
    assert.deepEqual(await channel.queuePurge(queue), { messageCount: 10 });
    await publish(fanout, "last");
    assert.deepEqual(await channel.queueDelete(queue), { messageCount: 1 });
    for (const each of [direct, fanout, headers])
      await channel.exchangeDelete(each);
    await assert.rejects(
      channel.exchangeDeclare(topic, "", { passive: true }), // gone with its last binding
      /NOT_FOUND - no exchange .*topology\.topic' in vhost '\/' \(404\)/,
    );
  }),
);

check("properties", () =>
  withChannel(async (channel) => {
    const properties = {
      contentType: "application/json",
      contentEncoding: "identity",
      headers: {
        string: "ü",
        bytes: Uint8Array.from([0, 1, 255]),
        boolean: true,
        nothing: null,
        int: -2147483648,
        long: 2 ** 40,
        bigint: 2n ** 40n,
        float: 0.25,
        double: 2 ** 40 + 0.5,
        date: new Date(1700000000000),
        array: [1, "two", [3.5]],
        table: { inner: { deep: false } },
      },
      deliveryMode: 2,
      priority: 9,
      correlationId: "correlation",
      replyTo: "reply.to",
      expiration: "60000",
      messageId: "message",
      timestamp: new Date(1700000000000),
      type: "kind",
      userId: "guest",
      appId: "app",
    };
    const { name } = await channel.queueDeclare("", { exclusive: true });
    await channel.basicPublish("", name, "{}", properties);
    const received = await channel.basicGet(name);
    const { bigint, ...headers } = received.properties.headers;
    assert.equal(BigInt(bigint), properties.headers.bigint);
    delete properties.headers.bigint;
    assert.deepEqual({ ...received.properties, headers }, properties);
  }),
);

check("confirms", () =>
  withChannel(async (channel) => {
    await channel.confirmSelect();
    const { name } = await channel.queueDeclare("", { exclusive: true });
    const numbers = Array.from({ length: 500 }, (_, number) => number + 1);
    const tags = await Promise.all(
      numbers.map((number) => channel.basicPublish("", name, `${number}`)),
    );
    assert.deepEqual(tags, numbers);
    const counts = await channel.queueDeclare(name, { passive: true });
    assert.equal(counts.messageCount, 500);

    const full = await channel.queueDeclare(
      "",
      { exclusive: true },
      { "x-max-length": 1, "x-overflow": "reject-publish" },
    );
    await channel.basicPublish("", full.name, "fits");
    const refused = channel.basicPublish("", full.name, "does not");
    await assert.rejects(refused, /Message rejected/);
  }),
);

check("returns", () =>
  withChannel(async (channel) => {
    await channel.confirmSelect();
    const inbox = new Inbox();
    channel.onReturn = inbox.put;
    const nowhere = nameOf("returns.nowhere");
    await channel.basicPublish("", nowhere, "lost", { type: "kind" }, true);
    assert(!inbox.isEmpty, "confirmed before it was returned");
    const returned = await inbox.take();
    assert.equal(returned.replyCode, 312);
    assert.equal(returned.replyText, "NO_ROUTE");
    assert.equal(returned.routingKey, nowhere);
    assert.equal(returned.properties.type, "kind");
    assert.equal(returned.bodyString(), "lost");
  }),
);

check("prefetch", () =>
  withChannel(async (channel) => {
    const { name } = await channel.queueDeclare("", { exclusive: true });
    for (const body of "abcdef") await channel.basicPublish("", name, body);
    await channel.basicQos(2);
    const inbox = new Inbox();
    await channel.basicConsume(name, { noAck: false }, inbox.put);
    const bodies = (messages) =>
      messages.map((message) => message.bodyString()).join("");
    const [a, b] = await inbox.takeAll(2);
    const counts = await channel.queueDeclare(name, { passive: true });
    assert.equal(counts.messageCount, 4);
    assert(inbox.isEmpty);
    await b.ack(true);
    const [c, d] = await inbox.takeAll(2);
    await d.nack(true);
    const again = await inbox.take();
    assert.equal(bodies([a, b, c, d, again]), "abcdd");
    assert(!d.redelivered && again.redelivered);
    await c.reject(false);
    await again.ack();
    assert.equal(bodies(await inbox.takeAll(2)), "ef");
    await channel.basicRecover(true);
    const recovered = await inbox.takeAll(2);
    assert.equal(bodies(recovered), "ef");
    assert(recovered.every(({ redelivered }) => redelivered));
  }),
);

check("dead-letter", () =>
  withChannel(async (channel) => {
    const dead = await channel.queueDeclare("", { exclusive: true });
    const inbox = new Inbox();
    await channel.basicConsume(dead.name, { noAck: true }, inbox.put);
    const { name } = await channel.queueDeclare(
      "",
      { exclusive: true },
      { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name },
    );
    await channel.basicPublish("", name, "rejected");
    await (await channel.basicGet(name, { noAck: false })).nack(false);
    const rejected = await inbox.take();
    await channel.basicPublish("", name, "expired", { expiration: "10" });
    const expired = await inbox.take();
    for (const letter of [rejected, expired]) {
      const reason = letter.bodyString();
      const [death, ...more] = letter.properties.headers["x-death"];
      assert.deepEqual(more, []);
      assert.equal(death.reason, reason);
      assert.equal(death.count, 1);
      assert.equal(death.queue, name);
      assert.deepEqual(death["routing-keys"], [name]);
      assert(death.time instanceof Date);
    }
  }),
);

check("large body", () =>
  withChannel(async (channel, { frameMax }) => {
    const { name } = await channel.queueDeclare("", { exclusive: true });
    const inbox = new Inbox();
    await channel.basicConsume(name, { noAck: true }, inbox.put);
    const frame = frameMax - 8;
    for (const size of [0, 1, frame - 1, frame, frame + 1, 16 * 1024 * 1024]) {
      const body = randomBytes(size);
      await channel.basicPublish("", name, body);
      const received = await inbox.take();
      assert.equal(received.bodySize, size);
      assert.equal(sha256(received.body ?? ""), sha256(body));
    }
  }),
);

await main();
