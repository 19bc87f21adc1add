// What users of rabbitmq-client see when the broker refuses something.

import assert from "node:assert/strict";
import { Connection } from "rabbitmq-client";
import { AMQP_URL, Inbox, check, main, nameOf } from "./checks.mjs";

async function withConnection(work) {
  const rabbit = new Connection(AMQP_URL);
  const errors = new Inbox();
  rabbit.on("error", errors.put);
  await rabbit.onConnect();
  try {
    await work(rabbit, errors);
    await rabbit.close();
  } finally {
    rabbit.unsafeDestroy();
  }
}

check("errors", () =>
  withConnection(async (rabbit, errors) => {
    const queue = nameOf("errors");
    const refused = (code, message, action) =>
      assert.rejects(action, { name: "AMQPChannelError", code, message });
    await withConnection(async (other) => {
      await other.queueDeclare({ queue, exclusive: true });
      await refused("RESOURCE_LOCKED", /cannot obtain exclusive access/, () =>
        rabbit.queueDeclare({ queue, passive: true }),
      );
    });
    await refused("NOT_FOUND", /no queue '.*errors' in vhost '\/'/, () =>
      rabbit.queueDeclare({ queue, passive: true }),
    );
    await refused("ACCESS_REFUSED", /queue name 'amq.q' contains/, () =>
      rabbit.queueDeclare("amq.q"),
    );
    await refused("PRECONDITION_FAILED", /inequivalent arg 'type'/, () =>
      rabbit.exchangeDeclare({ exchange: "amq.direct", type: "topic" }),
    );
    await refused("NOT_FOUND", /no exchange '.*errors'/, async () => {
      const channel = await rabbit.acquire();
      await channel.confirmSelect();
      await channel.basicPublish({ exchange: queue }, "lost");
    });
    assert(rabbit.ready && errors.isEmpty, "the connection goes on");

    const channel = await rabbit.acquire();
    const reset = { name: "AMQPConnectionError", code: "NOT_IMPLEMENTED" };
    await assert.rejects(channel.basicQos({ prefetchSize: 1 }), reset);
    assert.match((await errors.take()).message, /prefetch_size!=0/);
    await rabbit.onConnect(); // it makes itself a new connection
  }),
);

check("refused connections", async () => {
  for (const [parts, code, message] of [
    [{ pathname: "/nowhere" }, "NOT_ALLOWED", /vhost nowhere not found/],
    [{ password: "wrong" }, "ACCESS_REFUSED", /Login was refused/],
  ]) {
    const rabbit = new Connection(Object.assign(new URL(AMQP_URL), parts).href);
    const errors = new Inbox();
    rabbit.on("error", errors.put);
    const error = await errors.take();
    assert.equal(error.code, code);
    assert.match(error.message, message);
    rabbit.unsafeDestroy();
  }
});

await main();
