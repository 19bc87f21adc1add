// What users of AMQPClient see when the broker refuses something, and transactions.

import assert from "node:assert/strict";
import { AMQPClient, AMQPError } from "@cloudamqp/amqp-client";
import { AMQP_URL, Inbox, check, main, nameOf } from "./checks.mjs";

function clientFor(url) {
  return new AMQPClient(url, undefined, null);
}

async function withConnection(work) {
  const connection = await clientFor(AMQP_URL).connect();
  try {
    await work(connection);
  } finally {
    await connection.close();
  }
}

/** The broker URL with something else in it. */
function urlWith(parts) {
  return Object.assign(new URL(AMQP_URL), parts).href;
}

function isError(...texts) {
  return (error) => {
    assert(error instanceof AMQPError);
    for (const text of texts) assert(error.message.includes(text), error);
    return true;
  };
}

check("errors", () =>
  withConnection(async (connection) => {
    const queue = nameOf("errors");

    /** Whatever is done on a new channel ends this channel with such an error. */
    async function closesChannel(code, text, action) {
      const channel = await connection.channel();
      await assert.rejects(action(channel), isError(text, `(${code})`));
      assert(channel.closed);
    }

    await withConnection(async (other) => {
      const channel = await other.channel();
      await channel.queueDeclare(queue, { exclusive: true });
      await closesChannel(405, "RESOURCE_LOCKED - cannot obtain", (ch) =>
        ch.queueDeclare(queue, { passive: true }),
      );
    });
    await closesChannel(404, `NOT_FOUND - no queue '${queue}'`, (ch) =>
      ch.queueDeclare(queue, { passive: true }),
    );
    await closesChannel(404, `NOT_FOUND - no exchange '${queue}'`, (ch) =>
      ch.confirmSelect().then(() => ch.basicPublish(queue, "", "lost")),
    );
    await closesChannel(403, "ACCESS_REFUSED - exchange name 'amq.x'", (ch) =>
      ch.exchangeDeclare("amq.x", "direct"),
    );
    await closesChannel(406, "PRECONDITION_FAILED - inequivalent arg", (ch) =>
      ch.exchangeDeclare("amq.direct", "topic"),
    );
    await closesChannel(406, "invalid arg 'x-expires' for queue", (ch) =>
      ch.queueDeclare(queue, {}, { "x-expires": 0 }),
    );
    await connection.channel(); // the connection goes on
  }),
);

async function endsConnection(code, text, action) {
  const connection = await clientFor(AMQP_URL).connect();
  const ends = new Inbox();
  connection.ondisconnect = ends.put;
  await assert.rejects(
    action(await connection.channel()),
    isError(text, `(${code})`),
  );
  isError(text, `(${code})`)(await ends.take());
}

check("errors that end the connection", async () => {
  await endsConnection(530, "NOT_ALLOWED - attempt to reuse", async (ch) => {
    const { name } = await ch.queueDeclare("", { exclusive: true });
    await ch.basicConsume(name, { tag: "same" }, () => {});
    await ch.basicConsume(name, { tag: "same" }, () => {});
  });
  await endsConnection(540, "NOT_IMPLEMENTED - prefetch_size!=0", (ch) =>
    ch.basicQos(1, 1),
  );
  await endsConnection(540, "NOT_IMPLEMENTED - immediate=true", async (ch) => {
    await ch.confirmSelect();
    await ch.basicPublish("", "", "", {}, false, true);
  });
  await endsConnection(540, "NOT_IMPLEMENTED - active=false", (ch) =>
    ch.basicFlow(false),
  );
});

check("refused connections", async () => {
  const vhost = nameOf("vhost");
  await assert.rejects(
    clientFor(urlWith({ pathname: `/${vhost}` })).connect(),
    isError(`NOT_ALLOWED - vhost ${vhost} not found (530)`),
  );
  await assert.rejects(
    clientFor(urlWith({ password: "wrong" })).connect(),
    isError("ACCESS_REFUSED - Login was refused", "(403)"),
  );
});

check("transactions", () =>
  withConnection(async (connection) => {
    const channel = await connection.channel();
    const { name } = await channel.queueDeclare("", { exclusive: true });
    await channel.txSelect();
    await channel.basicPublish("", name, "rolled back");
    await channel.txRollback();
    await channel.basicPublish("", name, "committed");
    assert.equal(await channel.basicGet(name), null);
    await channel.txCommit();
    const message = await channel.basicGet(name, { noAck: false });
    assert.equal(message.bodyString(), "committed");
    await message.ack();
    await channel.txRollback();
    await channel.basicRecover(true);
    const again = await channel.basicGet(name, { noAck: false });
    assert(again.redelivered, "an acknowledgement was not rolled back");
  }),
);

check("consumer cancelled by the broker", () =>
  withConnection(async (connection) => {
    const channel = await connection.channel();
    const { name } = await channel.queueDeclare("", { exclusive: true });
    const consumer = await channel.basicConsume(name, {}, () => {});
    const waiting = consumer.wait();
    await channel.queueDelete(name);
    await assert.rejects(waiting, /Consumer cancelled by the server/);
  }),
);

check("a new secret", () =>
  withConnection(async (connection) => {
    const { password } = new URL(AMQP_URL);
    await connection.updateSecret(password, "time for a new one");
    await connection.channel();
  }),
);

await main();
