// amqplib's ConfirmChannel.

import assert from "node:assert/strict";
import amqplib from "amqplib";
import { AMQP_URL, Inbox, check, main, nameOf } from "./checks.mjs";

async function withChannel(work) {
  const connection = await amqplib.connect(AMQP_URL);
  try {
    await work(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

check("confirms", () =>
  withChannel(async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    for (let number = 0; number < 500; number++)
      channel.sendToQueue(queue, Buffer.from(`${number}`));
    await channel.waitForConfirms();
    assert.equal((await channel.checkQueue(queue)).messageCount, 500);

    const full = await channel.assertQueue("", {
      exclusive: true,
      maxLength: 1,
      overflow: "reject-publish",
    });
    const outcomes = new Inbox();
    for (const body of ["fits", "does not"])
      channel.sendToQueue(full.queue, Buffer.from(body), {}, outcomes.put);
    assert.equal(await outcomes.take(), null);
    assert.match((await outcomes.take()).message, /nacked/);
    channel.sendToQueue(full.queue, Buffer.from("nor does this"));
    await assert.rejects(channel.waitForConfirms(), /nacked/);
    assert.equal((await channel.checkQueue(full.queue)).messageCount, 1);
  }),
);

check("returns", () =>
  withChannel(async (channel) => {
    const events = new Inbox();
    channel.on("return", events.put);
    const nowhere = nameOf("returns.nowhere");
    const options = { mandatory: true, messageId: "lost" };
    const confirmed = () => events.put("confirmed");
    channel.sendToQueue(nowhere, Buffer.from("body"), options, confirmed);
    const { fields, properties, content } = await events.take();
    assert.deepEqual(fields, {
      replyCode: 312,
      replyText: "NO_ROUTE",
      exchange: "",
      routingKey: nowhere,
    });
    assert.equal(properties.messageId, "lost");
    assert.equal(String(content), "body");
    assert.equal(await events.take(), "confirmed");
  }),
);

check("a closed channel rejects what it did not confirm", () =>
  withChannel(async (channel) => {
    const errors = new Inbox();
    const outcomes = new Inbox();
    channel.on("error", errors.put);
    const exchange = nameOf("closed.nowhere");
    channel.publish(exchange, "", Buffer.from("lost"), {}, outcomes.put);
    assert.equal((await errors.take()).code, 404);
    assert.match((await outcomes.take()).message, /channel closed/);
  }),
);

await main();
