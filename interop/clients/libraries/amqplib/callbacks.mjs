// amqplib's callback API.

import assert from "node:assert/strict";
import { promisify } from "node:util";
import amqplib from "amqplib/callback_api";
import { AMQP_URL, Inbox, check, main, nameOf, within } from "./checks.mjs";

const connect = promisify(amqplib.connect);

/** Runs `steps(channel, done)` and waits until they call `done(error)`. */
async function onChannel(steps) {
  const connection = await connect(AMQP_URL);
  try {
    await within(
      new Promise((resolve, reject) => {
        const done = (error) => (error ? reject(error) : resolve());
        connection.createConfirmChannel((error, channel) => {
          if (error) return done(error);
          steps(channel, done);
        });
      }),
    );
  } finally {
    await promisify(connection.close.bind(connection))();
  }
}

check("confirms", () =>
  onChannel((channel, done) => {
    channel.assertQueue("", { exclusive: true }, (error, { queue }) => {
      if (error) return done(error);
      for (let number = 0; number < 500; number++)
        channel.sendToQueue(queue, Buffer.from(`${number}`));
      channel.waitForConfirms((error) => {
        if (error) return done(error);
        channel.purgeQueue(queue, (error, purged) => {
          if (!error) assert.equal(purged.messageCount, 500);
          done(error);
        });
      });
    });
  }),
);

check("returns", () =>
  onChannel((channel, done) => {
    let returned;
    channel.on("return", (message) => (returned = message));
    const options = { mandatory: true };
    const nowhere = nameOf("callbacks.nowhere");
    channel.sendToQueue(nowhere, Buffer.from("lost"), options, (error) => {
      if (error) return done(error);
      assert.equal(returned.fields.replyCode, 312);
      assert.equal(returned.fields.replyText, "NO_ROUTE");
      assert.equal(String(returned.content), "lost");
      done();
    });
  }),
);

check("errors", () =>
  onChannel((channel, done) => {
    channel.on("error", () => {}); // told to the callback, too
    channel.checkQueue(nameOf("callbacks.nowhere"), (error) => {
      assert.equal(error.code, 404);
      done();
    });
  }),
);

check("consume and get", () =>
  onChannel((channel, done) => {
    channel.assertQueue("", { exclusive: true }, (error, { queue }) => {
      if (error) return done(error);
      channel.sendToQueue(queue, Buffer.from("first"));
      channel.sendToQueue(queue, Buffer.from("second"));
      channel.get(queue, {}, (error, message) => {
        if (error) return done(error);
        assert.equal(String(message.content), "first");
        assert.equal(message.fields.messageCount, 1);
        const inbox = new Inbox();
        channel.consume(queue, inbox.put, {}, async (error) => {
          if (error) return done(error);
          const second = await inbox.take();
          assert.equal(String(second.content), "second");
          channel.nack(message);
          const first = await inbox.take();
          assert.equal(first.fields.redelivered, true);
          channel.ackAll();
          channel.get(queue, {}, (error, nothing) => {
            if (!error) assert.equal(nothing, false);
            done(error);
          });
        });
      });
    });
  }),
);

await main();
