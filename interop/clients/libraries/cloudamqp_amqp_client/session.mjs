// AMQPSession: the high-level API of @cloudamqp/amqp-client, with its recovery.

import assert from "node:assert/strict";
import {
  AMQPSession,
  builtinCoders,
  builtinParsers,
} from "@cloudamqp/amqp-client";
import {
  AMQP_URL,
  Inbox,
  check,
  cut,
  forceClose,
  main,
  nameOf,
} from "./checks.mjs";

async function withSession(options, work) {
  const session = await AMQPSession.connect(AMQP_URL, {
    logger: null,
    reconnectInterval: 100,
    ...options,
  });
  try {
    await work(session);
  } finally {
    await session.stop();
  }
}

check("confirms", () =>
  withSession({}, async (session) => {
    const queue = await session.queue(nameOf("confirms"), {
      arguments: { "x-max-length": 500, "x-overflow": "reject-publish" },
    });
    const numbers = Array.from({ length: 500 }, (_, number) => `${number}`);
    await Promise.all(numbers.map((number) => queue.publish(number)));
    await assert.rejects(queue.publish("one more"), /Message rejected/);
    assert.deepEqual(await queue.delete(), { messageCount: 500 });
  }),
);

check("returns", async () => {
  const inbox = new Inbox();
  await withSession({ onreturn: inbox.put }, async (session) => {
    const exchange = await session.fanoutExchange(nameOf("returns"));
    await exchange.publish("lost", { mandatory: true, routingKey: "key" });
    const returned = await inbox.take();
    assert.equal(returned.replyCode, 312);
    assert.equal(returned.routingKey, "key");
    await exchange.delete();
  });
});

check("acknowledged when a callback returns, requeued when it throws", () =>
  withSession({}, async (session) => {
    const queue = await session.queue("", { exclusive: true });
    const inbox = new Inbox();
    const subscription = await queue.subscribe({ prefetch: 1 }, (message) => {
      inbox.put(message);
      if (!message.redelivered) throw new Error("not yet");
    });
    await queue.publish("stubborn");
    const [first, second] = await inbox.takeAll(2);
    assert.deepEqual([first.redelivered, second.redelivered], [false, true]);
    await subscription.cancel();
    assert.deepEqual(await queue.delete(), { messageCount: 0 });
  }),
);

check("an iterator over messages", () =>
  withSession({}, async (session) => {
    const queue = await session.queue("", { exclusive: true });
    for (const body of ["a", "b", "c"]) await queue.publish(body);
    const received = [];
    for await (const message of await queue.subscribe()) {
      received.push(message.bodyString());
      if (received.length === 3) break;
    }
    assert.deepEqual(received, ["a", "b", "c"]);
  }),
);

check("bodies that are encoded and decoded", async () => {
  const codecs = {
    parsers: builtinParsers,
    coders: builtinCoders,
    defaultContentType: "application/json",
    defaultContentEncoding: "gzip",
  };
  await withSession(codecs, async (session) => {
    const exchange = await session.topicExchange();
    const queue = await session.queue("", { exclusive: true });
    await queue.bind(exchange, nameOf("#"));
    const body = { task: "resize", id: 42 };
    await exchange.publish(body, { routingKey: nameOf("jobs.resize") });
    const message = await queue.get();
    assert.deepEqual(message.body, body);
    assert.equal(message.properties.contentEncoding, "gzip");
  });
});

check("remote procedure calls", () =>
  withSession({}, async (session) => {
    const name = nameOf("procedure");
    const server = await session.rpcServer(name, (request) =>
      request.bodyString().toUpperCase(),
    );
    const reply = await session.rpcCall(name, "once");
    assert.equal(reply.bodyString(), "ONCE");
    const client = await session.rpcClient();
    const replies = await Promise.all(
      ["a", "b", "c"].map((body) => client.call(name, body)),
    );
    const bodies = replies.map((each) => each.bodyString());
    assert.deepEqual(bodies, ["A", "B", "C"]);
    await client.close();
    await server.close();
    await (await session.queue(name)).delete();
  }),
);

/** A session's connection is ended: its consumer goes on, and gets again what it did not acknowledge. */
async function recovers(what, end, expectedReason) {
  const connections = new Inbox();
  const disconnections = new Inbox();
  const options = {
    onconnect: connections.put,
    ondisconnect: disconnections.put,
  };
  await withSession(options, async (session) => {
    await connections.take();
    const exchange = await session.fanoutExchange(nameOf(`${what}.exchange`));
    const queue = await session.queue(nameOf(what), { durable: true });
    await queue.bind(exchange);
    const inbox = new Inbox();
    await queue.subscribe({ manualAck: true, prefetch: 1 }, inbox.put);
    await exchange.publish("unanswered");
    const first = await inbox.take();
    assert(!first.redelivered);

    await end();
    assert.match((await disconnections.take()).message, expectedReason);
    await connections.take();

    const again = await inbox.take();
    assert.equal(again.bodyString(), "unanswered");
    assert(again.redelivered);
    await again.ack();
    await exchange.publish("new");
    const last = await inbox.take();
    assert.equal(last.bodyString(), "new");
    await last.ack();
    await exchange.delete();
    assert.deepEqual(await queue.delete(), { messageCount: 0 });
  });
}

check("reconnect after a forced close", () =>
  recovers("forced", forceClose, /CONNECTION_FORCED.* \(320\)/),
);

check("reconnect after a cut", () => recovers("cut", cut, /Socket closed/));

await main();
