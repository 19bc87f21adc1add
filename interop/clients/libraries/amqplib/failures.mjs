// What users of amqplib see when something goes wrong, and its opt-in recovery.

import assert from "node:assert/strict";
import { once } from "node:events";
import amqplib from "amqplib";
import {
  AMQP_URL,
  Inbox,
  check,
  cut,
  forceClose,
  main,
  nameOf,
  within,
} from "./checks.mjs";

async function withConnection(work) {
  const connection = await amqplib.connect(AMQP_URL);
  try {
    await work(connection);
  } finally {
    await connection.close();
  }
}

/** A broker URL with something else in it. */
function urlWith(parts) {
  return Object.assign(new URL(AMQP_URL), parts).href;
}

/** Whatever is done on a new channel ends it with an error of this code and text. */
async function closesChannel(connection, code, text, action) {
  const channel = await connection.createChannel();
  const errors = new Inbox();
  channel.on("error", errors.put);
  await Promise.resolve(action(channel)).catch((error) => {
    assert.equal(error.code, code);
  });
  const error = await errors.take();
  assert.equal(error.code, code);
  assert(error.message.includes(text), error.message);
}

check("errors", () =>
  withConnection(async (connection) => {
    const queue = nameOf("errors");
    const body = Buffer.from("");
    const closes = (...expected) => closesChannel(connection, ...expected);
    await withConnection(async (other) => {
      const channel = await other.createChannel();
      await channel.assertQueue(queue, { exclusive: true });
      await closes(405, "RESOURCE_LOCKED - cannot obtain exclusive", (ch) =>
        ch.checkQueue(queue),
      );
    });
    await closes(404, `NOT_FOUND - no queue '${queue}' in vhost '/'`, (ch) =>
      ch.checkQueue(queue),
    );
    await closes(404, `NOT_FOUND - no exchange '${queue}'`, (ch) =>
      ch.publish(queue, "", body),
    );
    await closes(403, "ACCESS_REFUSED - queue name 'amq.q' contains", (ch) =>
      ch.assertQueue("amq.q"),
    );
    await closes(406, "PRECONDITION_FAILED - inequivalent arg 'type'", (ch) =>
      ch.assertExchange("amq.direct", "topic"),
    );
    await closes(406, "PRECONDITION_FAILED - unknown delivery tag 9", (ch) =>
      ch.ack({ fields: { deliveryTag: 9 } }),
    );
    const channel = await connection.createChannel();
    await channel.assertQueue(queue, { exclusive: true });
    await channel.consume(queue, () => {}, { exclusive: true });
    await closes(403, `ACCESS_REFUSED - queue '${queue}' in vhost '/'`, (ch) =>
      ch.consume(queue, () => {}),
    );
    assert.equal((await channel.checkQueue(queue)).consumerCount, 1);
  }),
);

check("errors that end the connection", async () => {
  const connection = await amqplib.connect(AMQP_URL);
  const errors = new Inbox();
  connection.on("error", errors.put);
  const closings = new Inbox();
  connection.on("close", closings.put);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.consume(queue, () => {}, { consumerTag: "same" });
  const again = channel.consume(queue, () => {}, { consumerTag: "same" });
  await assert.rejects(again);
  const error = await errors.take();
  assert.equal(error.code, 530);
  assert.match(error.message, /NOT_ALLOWED - attempt to reuse consumer tag/);
  await closings.take();
});

check("refused connections", async () => {
  await assert.rejects(
    amqplib.connect(urlWith({ pathname: `/${nameOf("vhost")}` })),
    /Expected ConnectionOpenOk; got <ConnectionClose/,
  );
  await assert.rejects(
    amqplib.connect(urlWith({ password: "wrong" })),
    /ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN/,
  );
});

check("AMQPLAIN", async () => {
  const { username, password } = new URL(AMQP_URL);
  const credentials = amqplib.credentials.amqplain(username, password);
  const connection = await amqplib.connect(AMQP_URL, { credentials });
  await connection.createChannel();
  await connection.close();
});

check("a new secret", () =>
  withConnection(async (connection) => {
    const accepted = once(connection, "update-secret-ok");
    const { password } = new URL(AMQP_URL);
    await connection.updateSecret(Buffer.from(password), "time for a new one");
    await within(accepted);
    await connection.createChannel();
  }),
);

/** A connection that recovers is ended: its consumer goes on, and gets again what it did not acknowledge. */
async function recovers(what, end, expectDisconnect) {
  const [queue, exchange] = [nameOf(what), nameOf(`${what}.exchange`)];
  const inbox = new Inbox();
  const connection = await amqplib.connect(AMQP_URL, {
    recovery: {
      async setup(model) {
        const channel = await model.createChannel();
        await channel.assertQueue(queue, { durable: true });
        await channel.assertExchange(exchange, "fanout", { autoDelete: true });
        await channel.bindQueue(queue, exchange, "");
        await channel.consume(queue, (message) =>
          inbox.put({ message, channel }),
        );
      },
    },
  });
  const disconnections = new Inbox();
  const connections = new Inbox();
  connection.on("error", () => {}); // told by "disconnect", too
  connection.on("disconnect", disconnections.put);
  connection.on("connect", connections.put);
  const before = await connection.createConfirmChannel();
  before.publish(exchange, "", Buffer.from("unanswered"));
  await before.waitForConfirms();
  const { message: first } = await inbox.take();
  assert.equal(first.fields.redelivered, false);

  await end();
  expectDisconnect(await disconnections.take());
  await connections.take();

  const { message: again, channel } = await inbox.take();
  assert.equal(String(again.content), "unanswered");
  assert.equal(again.fields.redelivered, true);
  channel.ack(again);
  const after = await connection.createConfirmChannel();
  after.publish(exchange, "", Buffer.from("new"));
  await after.waitForConfirms();
  const { message: last } = await inbox.take();
  assert.equal(String(last.content), "new");
  await channel.deleteQueue(queue);
  await connection.close();
}

check("reconnect after a forced close", () =>
  recovers("forced", forceClose, (reason) => {
    assert.equal(reason.code, 320);
    assert.match(reason.message, /CONNECTION_FORCED/);
  }),
);

check("reconnect after a cut", () =>
  recovers("cut", cut, (reason) => assert(reason instanceof Error)),
);

await main();
