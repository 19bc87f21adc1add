// NestJS services whose connections are lost.

import assert from "node:assert/strict";
import { RabbitSubscribe } from "@golevelup/nestjs-rabbitmq";
import { Injectable } from "@nestjs/common";
import type { ConsumeMessage } from "amqplib";
import { withServices } from "./application.mjs";
import { Inbox, check, cut, forceClose, main, nameOf } from "./checks.mjs";

/** The application's connection is ended: its service goes on, and gets again what it did not finish. */
async function recovers(what: string, end: () => Promise<void>) {
  const queue = nameOf(what);
  const inbox = new Inbox();

  @Injectable()
  class Worker {
    @RabbitSubscribe({
      queue,
      queueOptions: { durable: true },
      errorHandler: () => {}, // a channel that has gone can't be answered
    })
    work(task: string, { fields }: ConsumeMessage) {
      return new Promise<void>((done) =>
        inbox.put({ task, redelivered: fields.redelivered, done }),
      );
    }
  }

  await withServices([Worker], {}, async (connection) => {
    await connection.publish("", queue, "unfinished");
    const first = await inbox.take();
    assert.equal(first.redelivered, false);
    await end();
    const again = await inbox.take();
    first.done(); // too late
    assert.equal(again.task, "unfinished");
    assert.equal(again.redelivered, true);
    again.done();
    await connection.publish("", queue, "new");
    const last = await inbox.take();
    assert.equal(last.task, "new");
    last.done();
  });
  await withServices([], {}, async ({ channel }) => {
    const { messageCount } = await channel.deleteQueue(queue);
    assert.equal(messageCount, 0);
  });
}

check("reconnect after a forced close", () => recovers("forced", forceClose));

check("reconnect after a cut", () => recovers("cut", cut));

await main();
