// What amqp-connection-manager does when something goes wrong.

import assert from "node:assert/strict";
import { connect } from "amqp-connection-manager";
import {
  AMQP_URL,
  Inbox,
  check,
  cut,
  forceClose,
  main,
  nameOf,
} from "./checks.mjs";

async function withConnection(work, url = AMQP_URL) {
  const connection = connect(url, { reconnectTimeInSeconds: 0.1 });
  const inboxes = {};
  for (const event of ["connect", "connectFailed", "disconnect"]) {
    inboxes[event] = new Inbox();
    connection.on(event, inboxes[event].put);
  }
  try {
    await work(connection, inboxes);
  } finally {
    await connection.close();
  }
}

check("errors", () =>
  withConnection(async (connection, { disconnect }) => {
    for (const [code, refused] of [
      [404, (channel) => channel.checkQueue(nameOf("nowhere"))],
      [403, (channel) => channel.assertQueue("amq.mine")],
      [406, (channel) => channel.assertExchange("amq.direct", "topic")],
    ]) {
      const setup = (channel) => {
        channel.on("error", () => {}); // unheard, it would end the connection
        return refused(channel);
      };
      const channel = connection.createChannel({ setup });
      const errors = new Inbox();
      channel.on("error", errors.put);
      assert.equal((await errors.take()).code, code);
      await channel.close();
    }
    assert(disconnect.isEmpty, "the connection goes on");
  }),
);

check("refused connections", async () => {
  const { href } = Object.assign(new URL(AMQP_URL), { password: "wrong" });
  await withConnection(async (_, { connectFailed }) => {
    const { err } = await connectFailed.take();
    assert.match(err.message, /ACCESS.REFUSED/);
  }, href);
});

check("the next address when one does not answer", () =>
  withConnection(
    async (_, { connect, connectFailed }) => {
      assert.equal((await connectFailed.take()).err.code, "ECONNREFUSED");
      assert.equal((await connect.take()).url, AMQP_URL);
    },
    ["amqp://127.0.0.1:1", AMQP_URL],
  ),
);

check("a consumer whose queue was deleted comes back", () =>
  withConnection(async (connection) => {
    const queue = nameOf("deleted");
    const channel = connection.createChannel({
      setup: (channel) => channel.assertQueue(queue, { autoDelete: true }),
    });
    const connections = new Inbox();
    channel.on("connect", connections.put);
    const inbox = new Inbox();
    await channel.consume(queue, inbox.put, { noAck: true });
    await connections.take();
    await channel.deleteQueue(queue);
    await connections.take();
    await channel.sendToQueue(queue, "new");
    assert.equal(String((await inbox.take()).content), "new");
  }),
);

/** A connection is ended: consumers go on, and what is sent in the meantime arrives. */
async function recovers(what, end, expectedError) {
  await withConnection(async (connection, { connect, disconnect }) => {
    const [queue, exchange] = [nameOf(what), nameOf(`${what}.exchange`)];
    const channel = connection.createChannel({
      async setup(channel) {
        await channel.assertExchange(exchange, "fanout", { autoDelete: true });
        await channel.assertQueue(queue, { durable: true });
        await channel.bindQueue(queue, exchange, "");
      },
    });
    const inbox = new Inbox();
    await channel.consume(queue, inbox.put, { prefetch: 1 });
    await channel.publish(exchange, "", "unanswered");
    const first = await inbox.take();
    assert.equal(first.fields.redelivered, false);
    await connect.take();

    await end();
    expectedError((await disconnect.take()).err);
    const sent = channel.publish(exchange, "", "sent without a connection");
    await connect.take();

    const again = await inbox.take();
    assert.equal(String(again.content), "unanswered");
    assert.equal(again.fields.redelivered, true);
    channel.ack(again);
    await sent;
    const last = await inbox.take();
    assert.equal(String(last.content), "sent without a connection");
    channel.ack(last);
    await channel.cancelAll(); // or it would look for the queue again
    await channel.deleteQueue(queue);
  });
}

check("reconnect after a forced close", () =>
  recovers("forced", forceClose, (error) => assert.equal(error.code, 320)),
);

check("reconnect after a cut", () =>
  recovers("cut", cut, (error) => assert(error instanceof Error)),
);

await main();
