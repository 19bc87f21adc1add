// What the programs for rascal share: brokers made from a configuration, what is published and what is received.

import rascal from "rascal";
import { AMQP_URL, Inbox, nameOf } from "./checks.mjs";

const CLOSE_TIMEOUT_MS = 1000; // for messages that no one answers

/** Does something with a broker of this configuration of the virtual host, whose names are all in a namespace. */
export async function withBroker(what, vhost, work, recovery = {}) {
  const broker = await createBroker(what, vhost, recovery);
  const errors = new Inbox();
  broker.on("error", errors.put);
  try {
    await work(broker, errors);
  } finally {
    await broker.nuke();
  }
}

export function createBroker(what, vhost, recovery = {}) {
  return rascal.BrokerAsPromised.create(
    rascal.withDefaultConfig({
      vhosts: {
        "/": {
          namespace: nameOf(what),
          connection: { url: AMQP_URL, retry: { min: 100 } },
          ...vhost,
        },
      },
      recovery,
    }),
  );
}

/** What becomes of one publication: its first event, and with what. */
export async function outcomeOf(broker, ...publishing) {
  const outcomes = new Inbox();
  const publication = await broker.publish(...publishing);
  for (const event of ["success", "return", "error"])
    publication.on(event, (value) => outcomes.put([event, value]));
  return outcomes.take();
}

/** The messages of a subscription, each with its decoded content and how to answer it. */
export async function inboxOf(broker, name) {
  const inbox = new Inbox();
  const subscription = await broker.subscribe(name);
  subscription.on("message", (message, content, ackOrNack) =>
    inbox.put({ message, content, ackOrNack }),
  );
  subscription.on("error", () => {}); // when a connection is lost, the broker tells, too
  return inbox;
}

export const subscriptionTo = (queue, more) => ({
  queue,
  closeTimeout: CLOSE_TIMEOUT_MS,
  ...more,
});

/** A configuration of one queue, and a publication and a subscription of the same name. */
export const oneQueue = (queueArguments = {}, subscription = {}) => ({
  queues: { queue: { options: { arguments: queueArguments } } },
  publications: { queue: { queue: "queue" } },
  subscriptions: { queue: subscriptionTo("queue", subscription) },
});
