// amqplib's promise API.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import amqplib from "amqplib";
import { AMQP_URL, Inbox, check, main, nameOf } from "./checks.mjs";

async function withChannel(work) {
  const connection = await amqplib.connect(AMQP_URL);
  try {
    await work(await connection.createChannel(), connection);
  } finally {
    await connection.close();
  }
}

/** The bodies of all messages in a queue, which is empty then. */
async function bodiesIn(channel, queue) {
  const bodies = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (!message) return bodies;
    bodies.push(String(message.content));
  }
}

const sha256 = (body) => createHash("sha256").update(body).digest("hex");

check("topology", () =>
  withChannel(async (channel) => {
    const [direct, fanout, topic, headers, queue] = [
      "direct",
      "fanout",
      "topic",
      "headers",
      "queue",
    ].map((what) => nameOf(`topology.${what}`));
    await channel.assertExchange(direct, "direct", { durable: true });
    await channel.assertExchange(fanout, "fanout", { durable: false });
    await channel.assertExchange(topic, "topic", { autoDelete: true });
    await channel.assertExchange(headers, "headers", {
      alternateExchange: fanout,
    });
    await channel.assertQueue(queue, { durable: true, maxLength: 10 });

    await channel.bindQueue(queue, direct, "red");
    await channel.bindExchange(fanout, direct, "blue");
    await channel.bindQueue(queue, fanout, "");
    await channel.bindQueue(queue, topic, "a.*.#");
    const match = { "x-match": "all", colour: "green", number: 1 };
    await channel.bindQueue(queue, headers, "", match);
    const publish = (exchange, key, headers) =>
      channel.publish(exchange, key, Buffer.from(`${key}`), { headers });
    publish(direct, "red");
    publish(direct, "blue");
    publish(direct, "yellow");
    publish(topic, "a.b.c.d");
    publish(topic, "a");
    publish(headers, "match", { colour: "green", number: 1 });
    publish(headers, "alternate", { colour: "green" });
    const arrived = ["red", "blue", "a.b.c.d", "match", "alternate"];
    assert.deepEqual(await bodiesIn(channel, queue), arrived);

    await channel.unbindQueue(queue, direct, "red");
    await channel.unbindExchange(fanout, direct, "blue");
    publish(direct, "red");
    publish(direct, "blue");
    for (let number = 0; number < 12; number++) publish(fanout, `${number}`);
    await channel.checkExchange(direct);
    const checked = await channel.checkQueue(queue);
    assert.deepEqual(checked, { queue, messageCount: 10, consumerCount: 0 });
    assert.deepEqual(await channel.purgeQueue(queue), { messageCount: 10 });
    publish(fanout, "last");
    assert.deepEqual(await channel.deleteQueue(queue), { messageCount: 1 });
    for (const each of [direct, fanout, headers])
      await channel.deleteExchange(each);

    channel.on("error", () => {}); // told by the promise, too
    const gone = `no exchange '${topic}' in vhost '/'`; // with its last binding
    await assert.rejects(channel.checkExchange(topic), (error) =>
      error.message.includes(gone),
    );
  }),
);

check("properties", () =>
  withChannel(async (channel) => {
    const headers = {
      string: "ü",
      bytes: Buffer.from([0, 1, 255]),
      boolean: true,
      nothing: null,
      byte: -128,
      short: 32767,
      int: -2147483648,
      long: 2 ** 40,
      double: 0.5,
      float: { "!": "float", value: 0.25 },
      timestamp: { "!": "timestamp", value: 1700000000 },
      decimal: { "!": "decimal", value: { places: 2, digits: 314 } },
      unsigned: { "!": "uint32", value: 4294967295 },
      array: [1, "two", [3.5]],
      table: { inner: { deep: false } },
    };
    const properties = {
      contentType: "application/json",
      contentEncoding: "identity",
      headers,
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
    const { queue } = await channel.assertQueue("", { exclusive: true });
    channel.sendToQueue(queue, Buffer.from("{}"), properties);
    const { properties: received } = await channel.get(queue, { noAck: true });
    const expected = { ...headers, float: 0.25, unsigned: 4294967295 };
    assert.deepEqual(
      { ...received, headers: { ...received.headers } },
      { ...properties, clusterId: undefined, headers: expected },
    );
  }),
);

check("prefetch", () =>
  withChannel(async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    for (const body of "abcdef") channel.sendToQueue(queue, Buffer.from(body));
    const inbox = new Inbox();
    await channel.prefetch(2);
    const { consumerTag } = await channel.consume(queue, inbox.put);
    const bodies = (messages) =>
      messages.map(({ content }) => String(content)).join("");
    assert.equal(bodies(await inbox.takeAll(2)), "ab");
    assert.equal((await channel.checkQueue(queue)).messageCount, 4);
    assert(inbox.isEmpty);
    channel.ackAll();
    const [c, d] = await inbox.takeAll(2);
    channel.nack(d); // and so there is room for one more, which is the same again
    const again = await inbox.take();
    assert.equal(bodies([c, d, again]), "cdd");
    assert.deepEqual(
      [c, d, again].map(({ fields }) => fields.redelivered),
      [false, false, true],
    );
    channel.ack(again, true);
    assert.equal(bodies(await inbox.takeAll(2)), "ef");
    await channel.cancel(consumerTag);
    channel.nackAll();
    await channel.recover();
    assert.deepEqual(await bodiesIn(channel, queue), ["e", "f"]);
  }),
);

check("dead-letter", () =>
  withChannel(async (channel) => {
    const dead = await channel.assertQueue("", { exclusive: true });
    const inbox = new Inbox();
    await channel.consume(dead.queue, inbox.put, { noAck: true });
    const { queue } = await channel.assertQueue("", {
      exclusive: true,
      deadLetterExchange: "",
      deadLetterRoutingKey: dead.queue,
    });
    channel.sendToQueue(queue, Buffer.from("rejected"));
    channel.nack(await channel.get(queue), false, false);
    const rejected = await inbox.take();
    channel.sendToQueue(queue, Buffer.from("expired"), { expiration: 10 });
    const expired = await inbox.take();
    for (const [message, reason] of [
      [rejected, "rejected"],
      [expired, "expired"],
    ]) {
      assert.equal(String(message.content), reason);
      const [death] = message.properties.headers["x-death"];
      assert.equal(death.count, 1);
      assert.equal(death.reason, reason);
      assert.equal(death.queue, queue);
      assert.equal(death.exchange, "");
      assert.deepEqual(death["routing-keys"], [queue]);
      assert.equal(death.time["!"], "timestamp");
    }
    const [death] = expired.properties.headers["x-death"];
    assert.equal(death["original-expiration"], "10");
    assert.equal(expired.properties.expiration, undefined);
  }),
);

check("large body", () =>
  withChannel(async (channel, { connection: { frameMax } }) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    const inbox = new Inbox();
    await channel.consume(queue, inbox.put, { noAck: true });
    const frame = frameMax - 8;
    for (const size of [0, 1, frame - 1, frame, frame + 1, 16 * 1024 * 1024]) {
      const body = randomBytes(size);
      channel.sendToQueue(queue, body);
      const { content } = await inbox.take();
      assert.equal(content.length, size);
      assert.equal(sha256(content), sha256(body));
    }
  }),
);

check("consumer cancelled by the broker", () =>
  withChannel(async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    const inbox = new Inbox();
    await channel.consume(queue, inbox.put);
    await channel.deleteQueue(queue);
    assert.equal(await inbox.take(), null);
  }),
);

check("remote procedure call by direct reply-to", () =>
  withChannel(async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.consume(queue, (request) => {
      const { replyTo, correlationId } = request.properties;
      const answer = Buffer.from(String(request.content).toUpperCase());
      channel.sendToQueue(replyTo, answer, { correlationId });
      channel.ack(request);
    });
    const replies = new Inbox();
    const replyTo = "amq.rabbitmq.reply-to";
    await channel.consume(replyTo, replies.put, { noAck: true });
    const options = { replyTo, correlationId: "1" };
    channel.sendToQueue(queue, Buffer.from("question"), options);
    const reply = await replies.take();
    assert.equal(String(reply.content), "QUESTION");
    assert.equal(reply.properties.correlationId, "1");
  }),
);

await main();
