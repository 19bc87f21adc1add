// amqplib in TLS.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import amqplib from "amqplib";
import {
  AMQPS_URL,
  Inbox,
  TLS_SIZES,
  check,
  main,
  nameOf,
} from "./checks.mjs";

const ca = [readFileSync(process.env.INTEROP_AUTHORITY)];
const certificate = readFileSync(process.env.INTEROP_CERTIFICATE);
const byCertificate = { credentials: amqplib.credentials.external() };

async function withChannel(options, work) {
  const connection = await amqplib.connect(AMQPS_URL, options);
  try {
    await work(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

check("TLS: bodies of several sizes", () =>
  withChannel({ ca }, async (channel) => {
    const name = nameOf("tls");
    const { queue } = await channel.assertQueue(name, { exclusive: true });
    const bodies = TLS_SIZES.map((size) => randomBytes(size));
    for (const body of bodies) channel.sendToQueue(queue, body);
    await channel.waitForConfirms();
    const inbox = new Inbox();
    await channel.consume(queue, inbox.put, { noAck: true });
    const received = await inbox.takeAll(bodies.length);
    assert.ok(bodies.every((body, at) => body.equals(received[at].content)));
  }),
);

check("TLS: an unknown authority is refused", () =>
  assert.rejects(amqplib.connect(AMQPS_URL), (error) =>
    /^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|DEPTH_ZERO)/.test(error.code),
  ),
);

check("TLS: login by certificate", async () => {
  await assert.rejects(
    amqplib.connect(AMQPS_URL, { ca, ...byCertificate }),
    /ACCESS_REFUSED.*mechanism EXTERNAL/,
  );
  const options = { ca, cert: certificate, key: certificate, ...byCertificate };
  await withChannel(options, async (channel) => {
    const userId = new URL(AMQPS_URL).username;
    const { queue } = await channel.assertQueue("", { exclusive: true });
    channel.sendToQueue(queue, Buffer.alloc(0), { userId });
    await channel.waitForConfirms();
    const { properties } = await channel.get(queue, { noAck: true });
    assert.equal(properties.userId, userId);
  });
});

await main();
