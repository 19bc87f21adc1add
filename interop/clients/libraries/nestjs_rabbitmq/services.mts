// NestJS services whose methods are called for messages.

import assert from "node:assert/strict";
import { Nack, RabbitRPC, RabbitSubscribe } from "@golevelup/nestjs-rabbitmq";
import { Injectable } from "@nestjs/common";
import type { ConsumeMessage } from "amqplib";
import { Inbox, check, main, nameOf } from "./checks.mjs";
import { withServices } from "./application.mjs";

const temporary = { autoDelete: true, durable: false };

check("topology", async () => {
  const names = ["direct", "fanout", "topic", "headers"].map((type) => ({
    name: nameOf(`topology.${type}`),
    type,
    options: temporary,
  }));
  const [direct, fanout, topic, headers] = names.map(({ name }) => name);
  const queue = nameOf("topology.queue");
  const inbox = new Inbox();

  @Injectable()
  class Listener {
    @RabbitSubscribe({
      queue,
      queueOptions: temporary,
      bindings: [
        { exchange: direct, routingKey: "red" },
        { exchange: fanout, routingKey: "" },
        { exchange: topic, routingKey: "a.*.#" },
      ],
    })
    async hear(message: string) {
      inbox.put(message);
    }

    @RabbitSubscribe({
      exchange: headers,
      routingKey: "",
      queue: nameOf("topology.match"),
      queueOptions: { ...temporary, bindQueueArguments: { colour: "green" } },
    })
    async match(message: string) {
      inbox.put(message);
    }
  }

  const exchangeBindings = [
    { destination: fanout, source: direct, pattern: "blue" },
  ];
  const config = { exchanges: names, exchangeBindings };
  await withServices([Listener], config, async (connection) => {
    await connection.publish(direct, "yellow", "nowhere");
    await connection.publish(direct, "red", "direct");
    assert.equal(await inbox.take(), "direct");
    await connection.publish(direct, "blue", "through both");
    assert.equal(await inbox.take(), "through both");
    await connection.publish(topic, "b.a", "nowhere");
    await connection.publish(topic, "a.b.c", "topic");
    assert.equal(await inbox.take(), "topic");
    const green = { headers: { colour: "green" } };
    await connection.publish(headers, "", "headers", green);
    assert.equal(await inbox.take(), "headers");
  });
});

check("confirms", () => {
  const name = nameOf("confirms");
  const options = {
    exclusive: true,
    arguments: { "x-max-length": 500, "x-overflow": "reject-publish" },
  };
  const queues = [{ name, options }];
  return withServices([], { queues }, async (connection) => {
    const numbers = Array.from({ length: 500 }, (_, number) => number);
    await Promise.all(
      numbers.map((number) => connection.publish("", name, { number })),
    );
    await assert.rejects(connection.publish("", name, "one more"), /nacked/);
    const counts = await connection.channel.checkQueue(name);
    assert.equal(counts.messageCount, 500);
  });
});

check("dead-letter", async () => {
  const [queue, dead] = [nameOf("dead-letter"), nameOf("dead-letter.dead")];
  const inbox = new Inbox();
  const letters = new Inbox();

  @Injectable()
  class Services {
    @RabbitSubscribe({
      queue,
      queueOptions: {
        ...temporary,
        deadLetterExchange: "",
        deadLetterRoutingKey: dead,
      },
    })
    async work(task: string, message: ConsumeMessage) {
      inbox.put(message.fields.redelivered);
      return new Nack(!message.fields.redelivered);
    }

    @RabbitSubscribe({ queue: dead, queueOptions: temporary })
    async bury(task: string, { properties }: ConsumeMessage) {
      letters.put([task, properties.headers?.["x-death"]]);
    }
  }

  await withServices([Services], {}, async (connection) => {
    await connection.publish("", queue, "hopeless");
    assert.deepEqual(await inbox.takeAll(2), [false, true]);
    const [task, [death, ...more]] = await letters.take();
    assert.equal(task, "hopeless");
    assert.deepEqual(more, []);
    assert.equal(death.reason, "rejected");
    assert.equal(death.queue, queue);
    assert.equal(death.count, 1);
  });
});

check("remote procedure calls", async () => {
  const exchange = nameOf("procedures");

  @Injectable()
  class Mathematics {
    @RabbitRPC({
      exchange,
      routingKey: "add",
      queue: nameOf("procedures.add"),
      queueOptions: temporary,
    })
    async add({ a, b }: { a: number; b: number }) {
      return a + b;
    }
  }

  const exchanges = [{ name: exchange, type: "direct", options: temporary }];
  await withServices([Mathematics], { exchanges }, async (connection) => {
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    const sums = await Promise.all(
      numbers.map((a) =>
        connection.request<number>({
          exchange,
          routingKey: "add",
          payload: { a, b: 1 },
        }),
      ),
    );
    assert.deepEqual(
      sums,
      numbers.map((a) => a + 1),
    );
  });
});

check("batches", async () => {
  const queue = nameOf("batches");
  const inbox = new Inbox();

  @Injectable()
  class Collector {
    @RabbitSubscribe({
      queue,
      queueOptions: temporary,
      batchOptions: { size: 4, timeout: 60_000 },
    })
    async collect(messages: number[]) {
      inbox.put(messages);
    }
  }

  await withServices([Collector], {}, async (connection) => {
    for (let number = 0; number < 8; number++)
      await connection.publish("", queue, number);
    assert.deepEqual(await inbox.takeAll(2), [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
  });
});

await main();
