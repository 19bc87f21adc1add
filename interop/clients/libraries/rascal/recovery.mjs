// rascal's strategies for what fails: messages, configurations, connections.

import assert from "node:assert/strict";
import {
  createBroker,
  inboxOf,
  oneQueue,
  outcomeOf,
  subscriptionTo,
  withBroker,
} from "./brokers.mjs";
import {
  AMQP_URL,
  Inbox,
  check,
  cut,
  forceClose,
  main,
  nameOf,
} from "./checks.mjs";

const failure = new Error("can't be done");

check("dead-letter", () =>
  withBroker(
    "dead-letter",
    {
      exchanges: ["dead"],
      queues: {
        queue: {
          options: { arguments: { "x-dead-letter-exchange": "dead" } },
        },
        dead: {},
      },
      bindings: ["dead -> dead"],
      publications: { queue: { queue: "queue" } },
      subscriptions: {
        queue: subscriptionTo("queue"),
        dead: subscriptionTo("dead"),
      },
    },
    async (broker) => {
      const dead = await inboxOf(broker, "dead");
      await outcomeOf(broker, "queue", "expired", {
        options: { expiration: 10 },
      });
      const expired = await dead.take();
      const inbox = await inboxOf(broker, "queue");
      await outcomeOf(broker, "queue", "rejected");
      (await inbox.take()).ackOrNack(failure, { strategy: "nack" });
      const rejected = await dead.take();
      for (const { content, message, ackOrNack } of [expired, rejected]) {
        const [death, ...more] = message.properties.headers["x-death"];
        assert.deepEqual(more, []);
        assert.equal(death.reason, content);
        assert.equal(death.queue, `${nameOf("dead-letter")}:queue`);
        assert.equal(death.count, 1);
        ackOrNack();
      }
    },
  ),
);

check(
  "a message is tried again after a delay, as often as its strategy says",
  () =>
    withBroker(
      "retries",
      {
        exchanges: ["work", "delay", "retry"],
        queues: {
          queue: {},
          delay: {
            options: {
              arguments: {
                "x-message-ttl": 50,
                "x-dead-letter-exchange": "retry",
              },
            },
          },
        },
        bindings: {
          "work -> queue": {},
          "delay[delay.short] -> delay": {},
          // rascal adds the queue's name to the routing keys, as a CC header
          "retry[queue.#] -> queue": { qualifyBindingKeys: true },
        },
        publications: {
          work: { exchange: "work" },
          delayed: { exchange: "delay", options: { CC: ["delay.short"] } },
        },
        subscriptions: { queue: subscriptionTo("queue") },
      },
      async (broker) => {
        const strategy = [
          { strategy: "forward", attempts: 2, publication: "delayed" },
          { strategy: "ack" },
        ];
        const inbox = await inboxOf(broker, "queue");
        await outcomeOf(broker, "work", "hopeless", {
          routingKey: "first.key",
        });
        for (const attempt of [0, 1, 2]) {
          const { message, content, ackOrNack } = await inbox.take();
          assert.equal(content, "hopeless");
          assert.equal(message.fields.routingKey, "first.key");
          const deaths = message.properties.headers["x-death"];
          assert.equal(deaths?.[0].count ?? 0, attempt);
          await new Promise((done) => ackOrNack(failure, strategy, done));
        }
      },
    ),
);

check("a message is published again with its error", () =>
  withBroker("republished", oneQueue(), async (broker) => {
    const inbox = await inboxOf(broker, "queue");
    await outcomeOf(broker, "queue", "hopeless");
    const again = { strategy: "republish", attempts: 1 };
    (await inbox.take()).ackOrNack(failure, again);
    const { message, ackOrNack } = await inbox.take();
    assert.equal(message.fields.redelivered, false);
    const [recovery] = Object.values(
      message.properties.headers.rascal.recovery,
    );
    assert.equal(recovery.republished, 1);
    assert.equal(
      message.properties.headers.rascal.error.message,
      failure.message,
    );
    ackOrNack();
  }),
);

check("errors", async () => {
  const refused = (what, vhost, message) =>
    assert.rejects(createBroker(what, vhost), { message });
  const wrong = { options: { arguments: { "x-expires": 0 } } };
  await refused("errors", { queues: { wrong } }, /PRECONDITION_FAILED/);
  const there = { assert: false, check: true };
  await refused("errors", { queues: { there } }, /NOT_FOUND - no queue/);
  const retry = false;
  const { href } = Object.assign(new URL(AMQP_URL), {
    password: "wrong",
  });
  await refused(
    "errors",
    { connection: { url: href, retry } },
    /ACCESS.REFUSED/,
  );
});

check("a consumer that the broker cancels", () =>
  withBroker("cancelled", oneQueue(), async (broker) => {
    const cancelled = new Inbox();
    const subscription = await broker.subscribe("queue", { retry: false });
    subscription.on("message", () => {});
    subscription.on("cancelled", cancelled.put);
    await (await createBroker("cancelled", oneQueue())).nuke();
    assert.match((await cancelled.take()).message, /cancelled by the broker/);
  }),
);

/** A broker's connection is ended: it makes a new one, and gets again what it did not answer. */
function recovers(what, end, expectedError) {
  return withBroker(what, oneQueue(), async (broker, errors) => {
    const connections = new Inbox();
    const inbox = await inboxOf(broker, "queue");
    await outcomeOf(broker, "queue", "unanswered");
    const first = await inbox.take();
    assert.equal(first.message.fields.redelivered, false);
    broker.on("connect", connections.put);

    await end();
    expectedError(await errors.take());
    await connections.take();

    const again = await inbox.take();
    assert.equal(again.content, "unanswered");
    assert.equal(again.message.fields.redelivered, true);
    again.ackOrNack();
    const [event] = await outcomeOf(broker, "queue", "new");
    assert.equal(event, "success");
    const last = await inbox.take();
    assert.equal(last.content, "new");
    last.ackOrNack();
  });
}

check("reconnect after a forced close", () =>
  recovers("forced", forceClose, (error) => assert.equal(error.code, 320)),
);

check("reconnect after a cut", () =>
  recovers("cut", cut, (error) =>
    assert.match(error.message, /Unexpected close/),
  ),
);

await main();
