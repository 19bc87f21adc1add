// What amqp-connection-manager's ChannelWrapper does with a broker that stays.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { connect } from "amqp-connection-manager";
import { AMQP_URL, Inbox, check, main, nameOf } from "./checks.mjs";

/** Does something with a channel that is set up as the options say. */
async function withChannel(options, work) {
  const connection = connect(AMQP_URL);
  const channel = connection.createChannel(options);
  const errors = new Inbox();
  channel.on("error", errors.put);
  try {
    await channel.waitForConnect();
    await work(channel, errors, connection);
  } finally {
    await connection.close();
  }
}

/** Does something with a channel and a queue that only its connection has. */
function withQueue(what, options, work) {
  const queue = nameOf(what);
  const setup = (channel) =>
    channel.assertQueue(queue, { exclusive: true, ...options });
  return withChannel({ setup }, (channel) => work(channel, queue));
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

check("topology", async () => {
  const names = ["direct", "fanout", "topic", "headers", "queue"];
  const [direct, fanout, topic, headers, queue] = names.map((what) =>
    nameOf(`topology.${what}`),
  );
  const setup = async (channel) => {
    await channel.assertExchange(direct, "direct");
    await channel.assertExchange(fanout, "fanout", { durable: false });
    await channel.assertExchange(topic, "topic", { autoDelete: true });
    await channel.assertExchange(headers, "headers");
    await channel.assertQueue(queue, { maxLength: 10 });
    await channel.bindQueue(queue, direct, "red");
    await channel.bindExchange(fanout, direct, "blue");
    await channel.bindQueue(queue, fanout, "");
    await channel.bindQueue(queue, topic, "a.*.#");
    await channel.bindQueue(queue, headers, "", { colour: "green" });
  };
  await withChannel({ setup }, async (channel) => {
    await channel.publish(direct, "red", "direct");
    await channel.publish(direct, "blue", "through both");
    await channel.publish(topic, "a.b.c", "topic");
    const green = { headers: { colour: "green" } };
    await channel.publish(headers, "", "headers", green);
    await channel.publish(headers, "", "nowhere");
    const arrived = ["direct", "through both", "topic", "headers"];
    assert.deepEqual(await bodiesIn(channel, queue), arrived);

    await channel.unbindQueue(queue, direct, "red");
    await channel.unbindExchange(fanout, direct, "blue");
    await channel.publish(direct, "red", "nowhere");
    await channel.publish(direct, "blue", "nowhere");
    await channel.checkExchange(direct);
    for (let number = 0; number < 12; number++)
      await channel.publish(fanout, "", `${number}`);
    assert.equal((await channel.checkQueue(queue)).messageCount, 10);
    assert.equal((await channel.purgeQueue(queue)).messageCount, 10);
    await channel.publish(fanout, "", "last");
    assert.equal((await channel.deleteQueue(queue)).messageCount, 1);
    for (const each of [direct, fanout, headers])
      await channel.deleteExchange(each);
  });
});

check("properties", () =>
  withQueue("properties", {}, async (channel, queue) => {
    const properties = {
      contentType: "text/plain",
      contentEncoding: "identity",
      headers: { text: "ü", number: 1, list: [true, null], table: { a: 0.5 } },
      deliveryMode: 1,
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
    await channel.sendToQueue(queue, "body", properties);
    const { properties: received } = await channel.get(queue, { noAck: true });
    const headers = { ...received.headers, table: properties.headers.table };
    assert.deepEqual(
      { ...received, headers },
      { ...properties, clusterId: undefined },
    );
    assert.equal(received.headers.table.a, 0.5);
  }),
);

check("confirms", async () => {
  await withQueue("confirms", {}, async (channel, queue) => {
    const numbers = Array.from({ length: 500 }, (_, number) => `${number}`);
    await Promise.all(numbers.map((body) => channel.sendToQueue(queue, body)));
    assert.equal((await channel.checkQueue(queue)).messageCount, 500);
  });
  const limit = { maxLength: 1, overflow: "reject-publish" };
  await withQueue("confirms.full", limit, async (channel, queue) => {
    await channel.sendToQueue(queue, "fits");
    await assert.rejects(channel.sendToQueue(queue, "does not"), /nacked/);
  });
});

check("returns", async () => {
  const inbox = new Inbox();
  const setup = async (channel) => void channel.on("return", inbox.put);
  await withChannel({ setup }, async (channel) => {
    const nowhere = nameOf("returns.nowhere");
    await channel.sendToQueue(nowhere, "lost", { mandatory: true });
    assert(!inbox.isEmpty, "confirmed before it was returned");
    const { fields, content } = await inbox.take();
    assert.equal(fields.replyCode, 312);
    assert.equal(fields.replyText, "NO_ROUTE");
    assert.equal(fields.routingKey, nowhere);
    assert.equal(String(content), "lost");
  });
});

check("prefetch", () =>
  withQueue("prefetch", {}, async (channel, queue) => {
    const inbox = new Inbox();
    for (const body of "abcdef") await channel.sendToQueue(queue, body);
    await channel.consume(queue, inbox.put, { prefetch: 2 });
    const bodies = (messages) =>
      messages.map(({ content }) => String(content)).join("");
    const first = await inbox.takeAll(2);
    assert.equal((await channel.checkQueue(queue)).messageCount, 4);
    assert(inbox.isEmpty);
    channel.ack(first[1], true);
    const [c, d] = await inbox.takeAll(2);
    channel.nack(d);
    const again = await inbox.take();
    assert.equal(bodies([...first, c, d, again]), "abcdd");
    assert(!d.fields.redelivered && again.fields.redelivered);
    channel.ackAll();
    assert.equal(bodies(await inbox.takeAll(2)), "ef");
  }),
);

check("dead-letter", () =>
  withQueue("dead-letter.dead", {}, async (channel, dead) => {
    const inbox = new Inbox();
    await channel.consume(dead, inbox.put, { noAck: true });
    const queue = nameOf("dead-letter");
    await channel.assertQueue(queue, {
      exclusive: true,
      deadLetterExchange: "",
      deadLetterRoutingKey: dead,
    });
    await channel.sendToQueue(queue, "rejected");
    channel.nack(await channel.get(queue), false, false);
    const rejected = await inbox.take();
    await channel.sendToQueue(queue, "expired", { expiration: 10 });
    const expired = await inbox.take();
    for (const { content, properties } of [rejected, expired]) {
      const [death, ...more] = properties.headers["x-death"];
      assert.deepEqual(more, []);
      assert.equal(death.reason, String(content));
      assert.equal(death.queue, queue);
      assert.equal(death.count, 1);
    }
  }),
);

check("large body", () =>
  withQueue("large", {}, async (channel, queue) => {
    const inbox = new Inbox();
    await channel.consume(queue, inbox.put, { noAck: true });
    const frame = 4096 - 8; // amqplib's default frameMax, less what is around a body
    for (const size of [0, 1, frame - 1, frame, frame + 1, 16 * 1024 * 1024]) {
      const body = randomBytes(size);
      await channel.sendToQueue(queue, body);
      const { content } = await inbox.take();
      assert.equal(content.length, size);
      assert.equal(sha256(content), sha256(body));
    }
  }),
);

check("objects as JSON", () =>
  withChannel({ json: true }, async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.sendToQueue(queue, { task: "resize", id: 42 });
    const { content } = await channel.get(queue, { noAck: true });
    assert.deepEqual(JSON.parse(content), { task: "resize", id: 42 });
  }),
);

await main();
