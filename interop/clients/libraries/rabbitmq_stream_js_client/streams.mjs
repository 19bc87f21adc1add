// rabbitmq-stream-js-client: publishing, consuming, offsets, deduplication, sub-batches, filters and super streams.

import assert from "node:assert/strict";
import stream from "rabbitmq-stream-js-client";
import { check as register, main, nameOf, skip, within } from "./checks.mjs";

const { connect, Offset } = stream;
const NO_COMPRESSION = 0;
const GZIP = 1;
const url = new URL(process.env.STREAM_URL);

/** The library asks for the versions of commands, which RabbitMQ 3.10 does not know. */
async function isTooOld() {
  const { href, username, password } = new URL(process.env.MANAGEMENT_URL);
  const credentials = Buffer.from(`${username}:${password}`).toString("base64");
  const address = href.replace(`${username}:${password}@`, "");
  const answer = await fetch(`${address}api/overview`, {
    headers: { authorization: `Basic ${credentials}` },
  });
  const { rabbitmq_version: version } = await answer.json();
  return version.startsWith("3.10.");
}

const tooOld = await isTooOld();

function check(name, perform) {
  register(name, () => (tooOld ? skip("needs RabbitMQ 3.11") : perform()));
}

function open(options = {}) {
  return connect({
    hostname: url.hostname,
    port: Number(url.port),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    vhost: "/",
    ...options,
  });
}

/** Calls `steps(client, name)` with a new stream, which another client deletes. */
async function withStream(label, steps) {
  const client = await open();
  const name = nameOf(label);
  await client.createStream({ stream: name, arguments: {} });
  await within(steps(client, name));
  await client.close();
  const other = await open();
  await other.deleteStream({ stream: name });
  await other.close();
}

/** Messages of a consumer, and a promise of so many of them. */
function collector(count) {
  const bodies = [];
  let resolve;
  const done = new Promise((fulfil) => (resolve = fulfil));
  const take = (message) => {
    bodies.push(message.content.toString());
    if (bodies.length === count) resolve();
  };
  return { bodies, done, take };
}

const numbered = (count) => Array.from({ length: count }, (_, n) => `m${n}`);

async function publish(client, name, bodies, options = {}) {
  const publisher = await client.declarePublisher({ stream: name, ...options });
  let left = bodies.length;
  const confirmed = new Promise((resolve, reject) =>
    publisher.on("publish_confirm", (error, ids) => {
      if (error) return reject(new Error(`publish error ${error}`));
      left -= ids.length;
      if (left === 0) resolve();
    }),
  );
  for (const body of bodies) await publisher.send(Buffer.from(body));
  await publisher.flush();
  await within(confirmed);
  return publisher;
}

check("publish and consume", () =>
  withStream("simple", async (client, name) => {
    await publish(client, name, numbered(1000));
    const { bodies, done, take } = collector(1000);
    await client.declareConsumer(
      { stream: name, offset: Offset.first() },
      take,
    );
    await within(done);
    assert.deepEqual(bodies, numbered(1000));
  }),
);

check("offsets", () =>
  withStream("offsets", async (client, name) => {
    await publish(client, name, numbered(10));
    const { bodies, done, take } = collector(3);
    await client.declareConsumer(
      { stream: name, offset: Offset.offset(7n) },
      take,
    );
    await within(done);
    assert.deepEqual(bodies, ["m7", "m8", "m9"]);
  }),
);

check("next", () =>
  withStream("next", async (client, name) => {
    await publish(client, name, numbered(3));
    const { bodies, done, take } = collector(1);
    await client.declareConsumer({ stream: name, offset: Offset.next() }, take);
    await publish(client, name, ["after"]);
    await within(done);
    assert.deepEqual(bodies, ["after"]);
  }),
);

check("stored offsets", () =>
  withStream("stored", async (client, name) => {
    await publish(client, name, numbered(5));
    const { done, take } = collector(5);
    const consumer = await client.declareConsumer(
      { stream: name, consumerRef: "app", offset: Offset.first() },
      take,
    );
    await within(done);
    await consumer.storeOffset(3n);
    let found = -1n;
    while (found !== 3n) {
      found = await consumer.queryOffset().catch(() => -1n);
    }
  }),
);

check("deduplication", () =>
  withStream("dedup", async (client, name) => {
    const publisher = await client.declarePublisher({
      stream: name,
      publisherRef: "app",
    });
    for (const id of [1n, 2n, 2n, 1n, 3n])
      await publisher.basicSend(id, Buffer.from(`m${id}`));
    await publisher.flush();
    while ((await publisher.getLastPublishingId()) !== 3n);
    const { bodies, done, take } = collector(3);
    await client.declareConsumer(
      { stream: name, offset: Offset.first() },
      take,
    );
    await within(done);
    assert.deepEqual(bodies, ["m1", "m2", "m3"]);
  }),
);

for (const [label, compression] of [
  ["none", NO_COMPRESSION],
  ["gzip", GZIP],
])
  check(`sub-batches, ${label}`, () =>
    withStream(`sub-${label}`, async (client, name) => {
      const publisher = await client.declarePublisher({ stream: name });
      await publisher.sendSubEntries(
        numbered(20).map((body) => ({ content: Buffer.from(body) })),
        compression,
      );
      const { bodies, done, take } = collector(20);
      await client.declareConsumer(
        { stream: name, offset: Offset.first() },
        take,
      );
      await within(done);
      assert.deepEqual(bodies, numbered(20));
    }),
  );

check("properties", () =>
  withStream("properties", async (client, name) => {
    const publisher = await client.declarePublisher({ stream: name });
    await publisher.send(Buffer.from("hello"), {
      messageProperties: { messageId: "id", contentType: "text/plain" },
      applicationProperties: { a: "b", n: 5 },
      messageAnnotations: { x: "y" },
    });
    await publisher.flush();
    let found;
    const came = new Promise((resolve) => (found = resolve));
    await client.declareConsumer(
      { stream: name, offset: Offset.first() },
      found,
    );
    const message = await within(came);
    assert.equal(message.messageProperties.messageId, "id");
    assert.deepEqual(message.applicationProperties, { a: "b", n: 5 });
  }),
);

check("filters", () =>
  withStream("filters", async (client, name) => {
    const publisher = await client.declarePublisher(
      { stream: name },
      (message) => message.applicationProperties?.region,
    );
    for (const region of ["east", "west", "north"]) {
      const confirmed = new Promise((resolve) =>
        publisher.on("publish_confirm", resolve),
      );
      await publisher.send(Buffer.from(region), {
        applicationProperties: { region },
      });
      await publisher.flush();
      await within(confirmed);
    }
    const { bodies, done, take } = collector(1);
    await client.declareConsumer(
      {
        stream: name,
        offset: Offset.first(),
        filter: {
          values: ["west"],
          postFilterFunc: (message) =>
            message.applicationProperties?.region === "west",
          matchUnfiltered: false,
        },
      },
      take,
    );
    await within(done);
    assert.deepEqual(bodies, ["west"]);
  }),
);

check("single active consumer", () =>
  withStream("single", async (client, name) => {
    await publish(client, name, numbered(3));
    const options = {
      stream: name,
      consumerRef: "app",
      singleActive: true,
      offset: Offset.first(),
      consumerUpdateListener: async () => Offset.first(),
    };
    const first = collector(3);
    const consumer = await client.declareConsumer(options, first.take);
    await within(first.done);
    const other = await open();
    const second = collector(3);
    await other.declareConsumer(options, second.take);
    await consumer.close();
    await within(second.done);
    await other.close();
  }),
);

check("metadata and statistics", () =>
  withStream("metadata", async (client, name) => {
    await publish(client, name, numbered(3));
    const [found] = await client.queryMetadata({ streams: [name] });
    assert.equal(found.streamName, name);
    const statistics = await client.streamStatsRequest(name);
    assert.ok(statistics.committedChunkId >= 0n, JSON.stringify(statistics, (_, v) => `${v}`));
  }),
);

check("a stream that is deleted", async () => {
  let told;
  const came = new Promise((resolve) => (told = resolve));
  const client = await open({
    listeners: { metadata_update: (update) => told(update) },
  });
  const name = nameOf("deleted");
  await client.createStream({ stream: name, arguments: {} });
  const publisher = await client.declarePublisher({ stream: name });
  publisher.on("metadata_update", told);
  const other = await open();
  await other.deleteStream({ stream: name });
  await within(came);
  await other.close();
  await client.close();
});

check("super streams", async () => {
  const client = await open();
  const name = nameOf("super");
  await client.createSuperStream({ streamName: name, arguments: {} });
  const partitions = await client.queryPartitions({ superStream: name });
  assert.equal(partitions.length, 3);
  const publisher = await client.declareSuperStreamPublisher(
    { superStream: name },
    (content) => content,
  );
  for (const body of numbered(30)) await publisher.send(Buffer.from(body), {});
  const { bodies, done, take } = collector(30);
  await client.declareSuperStreamConsumer(
    { superStream: name, offset: Offset.first() },
    take,
  );
  await within(done);
  assert.deepEqual(bodies.sort(), numbered(30).sort());
  await client.close();
  const other = await open();
  await other.deleteSuperStream({ streamName: name });
  await other.close();
});

await main();
