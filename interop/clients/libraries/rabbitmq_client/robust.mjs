// rabbitmq-client's consumers, publishers and callers, which outlive connections and channels.

import assert from "node:assert/strict";
import { Connection, ConsumerStatus } from "rabbitmq-client";
import {
  AMQP_URL,
  Inbox,
  check,
  cut,
  forceClose,
  main,
  nameOf,
} from "./checks.mjs";

async function withConnection(work) {
  const rabbit = new Connection({ url: AMQP_URL, retryLow: 100 });
  const errors = new Inbox();
  rabbit.on("error", errors.put);
  try {
    await work(rabbit, errors);
    await rabbit.close();
  } finally {
    rabbit.unsafeDestroy();
  }
}

/** A consumer that is ready, and what it reports as errors. */
async function consumerOf(rabbit, options, handle) {
  const consumer = rabbit.createConsumer(options, handle);
  const errors = new Inbox();
  const readiness = new Inbox();
  consumer.on("error", errors.put);
  consumer.on("ready", readiness.put);
  await readiness.take();
  return { consumer, errors, readiness };
}

check("confirms", () =>
  withConnection(async (rabbit) => {
    const queue = nameOf("confirms");
    const publisher = rabbit.createPublisher({
      confirm: true,
      queues: [
        {
          queue,
          arguments: { "x-max-length": 500, "x-overflow": "reject-publish" },
        },
      ],
    });
    const numbers = Array.from({ length: 500 }, (_, number) => number);
    await Promise.all(numbers.map((number) => publisher.send(queue, number)));
    await assert.rejects(publisher.send(queue, "one more"), { code: "NACK" });
    await publisher.close();
    assert.deepEqual(await rabbit.queueDelete(queue), { messageCount: 500 });
  }),
);

check("returns", () =>
  withConnection(async (rabbit) => {
    const inbox = new Inbox();
    const publisher = rabbit.createPublisher({ confirm: true });
    publisher.on("basic.return", inbox.put);
    const routingKey = nameOf("returns.nowhere");
    await publisher.send({ routingKey, mandatory: true, type: "kind" }, "lost");
    const returned = await inbox.take();
    assert.equal(returned.replyCode, 312);
    assert.equal(returned.replyText, "NO_ROUTE");
    assert.equal(returned.routingKey, routingKey);
    assert.equal(returned.type, "kind");
    assert.equal(returned.body, "lost");
    await publisher.close();
  }),
);

check("dead-letter", () =>
  withConnection(async (rabbit) => {
    const exchange = nameOf("dead-letter.exchange");
    const queue = nameOf("dead-letter");
    const dead = new Inbox();
    const { consumer: undertaker } = await consumerOf(
      rabbit,
      {
        queueOptions: { exclusive: true },
        exchanges: [{ exchange, type: "topic", autoDelete: true }],
        queueBindings: [{ exchange, routingKey: "#" }],
      },
      dead.put,
    );
    const { consumer } = await consumerOf(
      rabbit,
      {
        queue,
        queueOptions: {
          exclusive: true,
          arguments: { "x-dead-letter-exchange": exchange },
        },
      },
      () => ConsumerStatus.DROP,
    );
    const publisher = rabbit.createPublisher({ confirm: true });
    await publisher.send(queue, "rejected");
    const rejected = await dead.take();
    await consumer.close();
    await publisher.send({ routingKey: queue, expiration: "10" }, "expired");
    const expired = await dead.take();
    for (const { body, headers, routingKey } of [rejected, expired]) {
      assert.equal(routingKey, queue);
      const [death, ...more] = headers["x-death"];
      assert.deepEqual(more, []);
      assert.equal(death.reason, body);
      assert.equal(death.queue, queue);
      assert.equal(death.count, 1);
    }
    await publisher.close();
    await undertaker.close();
    await rabbit.queueDelete(queue);
  }),
);

check("what becomes of a message is what its handler says", () =>
  withConnection(async (rabbit) => {
    const queue = nameOf("statuses");
    const inbox = new Inbox();
    const options = { queue, queueOptions: { exclusive: true } };
    const { consumer, errors } = await consumerOf(
      rabbit,
      options,
      (message) => {
        inbox.put(message);
        if (message.redelivered) return ConsumerStatus.ACK;
        if (message.body === "return") return ConsumerStatus.REQUEUE;
        throw new Error("not yet");
      },
    );
    const publisher = rabbit.createPublisher({ confirm: true });
    for (const body of ["return", "throw"]) {
      await publisher.send(queue, body);
      const [first, second] = await inbox.takeAll(2);
      assert.deepEqual([first.body, second.body], [body, body]);
      assert(!first.redelivered && second.redelivered);
    }
    assert.equal((await errors.take()).message, "not yet");
    await publisher.close();
    await consumer.close();
    assert.equal(consumer.stats.acknowledged, 2);
    assert.deepEqual(await rabbit.queueDelete(queue), { messageCount: 0 });
  }),
);

check("remote procedure calls", () =>
  withConnection(async (rabbit) => {
    const queue = nameOf("procedure");
    const { consumer } = await consumerOf(
      rabbit,
      { queue, queueOptions: { exclusive: true } },
      (request, reply) => reply(request.body.toUpperCase()),
    );
    const client = rabbit.createRPCClient({ confirm: true });
    const replies = await Promise.all(
      ["a", "b", "c"].map((body) => client.send(queue, body)),
    );
    assert.deepEqual(
      replies.map(({ body }) => body),
      ["A", "B", "C"],
    );
    await client.close();
    await consumer.close();
  }),
);

check("consumer cancelled by the broker", () =>
  withConnection(async (rabbit) => {
    const queue = nameOf("cancelled");
    const inbox = new Inbox();
    const { consumer, errors, readiness } = await consumerOf(
      rabbit,
      { queue, queueOptions: { autoDelete: true } },
      inbox.put,
    );
    await rabbit.queueDelete(queue);
    assert.equal((await errors.take()).code, "CANCEL_FORCED");
    await readiness.take(); // it has made the queue anew
    const publisher = rabbit.createPublisher();
    await publisher.send(queue, "new");
    assert.equal((await inbox.take()).body, "new");
    await publisher.close();
    await consumer.close();
  }),
);

/** A connection is ended: its consumer goes on, and gets again what it could not acknowledge. */
async function recovers(what, end, expectedCode) {
  await withConnection(async (rabbit, errors) => {
    const [queue, exchange] = [nameOf(what), nameOf(`${what}.exchange`)];
    const exchanges = [{ exchange, type: "fanout", autoDelete: true }];
    const inbox = new Inbox();
    const { consumer, readiness } = await consumerOf(
      rabbit,
      {
        queue,
        queueOptions: { durable: true },
        exchanges,
        queueBindings: [{ exchange }],
      },
      (message) => new Promise((done) => inbox.put({ message, done })),
    );
    const publisher = rabbit.createPublisher({
      confirm: true,
      maxAttempts: 3,
      exchanges,
    });
    await publisher.send({ exchange }, "unanswered");
    const first = await inbox.take();
    assert(!first.message.redelivered);

    await end();
    assert.equal((await errors.take()).code, expectedCode);
    first.done(); // too late: its channel has gone
    await readiness.take();

    const again = await inbox.take();
    assert.equal(again.message.body, "unanswered");
    assert(again.message.redelivered);
    again.done();
    await publisher.send({ exchange }, "new");
    const last = await inbox.take();
    assert.equal(last.message.body, "new");
    last.done();
    await publisher.close();
    await consumer.close();
    assert.deepEqual(await rabbit.queueDelete(queue), { messageCount: 0 });
  });
}

check("reconnect after a forced close", () =>
  recovers("forced", forceClose, "CONNECTION_FORCED"),
);

check("reconnect after a cut", () => recovers("cut", cut, "CONN_CLOSE"));

await main();
