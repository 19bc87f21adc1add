// For programs in JavaScript: checks that are told as TAP, and the commands of the proxy.
//
//     check("confirms", async () => {
//       assert.equal(…);
//     });
//
//     await main();

import { once } from "node:events";
import { connect } from "node:net";

export const AMQP_URL =
  process.env.AMQP_URL ?? "amqp://guest:guest@127.0.0.1:5672/%2F";
export const AMQPS_URL = process.env.AMQPS_URL;
/** Of the bodies that programs send in TLS: a record has 16,384 octets at most. */
export const TLS_SIZES = [0, 1, 16_384, 100_000, 1_000_000];
const PREFIX = process.env.INTEROP_PREFIX ?? "interop";
const EVENT_DEADLINE_MS = 20_000;
const CHECK_DEADLINE_MS = 60_000;

const checks = [];

class Skipped extends Error {}

/** Make a function, async or not, one of the program's checks. */
export function check(name, perform) {
  checks.push({ name, perform });
}

/** Leave a check because it can't be made here. */
export function skip(reason) {
  throw new Skipped(reason);
}

/** A name for a queue or an exchange that no other program uses. */
export function nameOf(what) {
  return `${PREFIX}.${what}`;
}

/** Reset all connections of this program to the broker. */
export function cut() {
  return command("cut");
}

/** Have all connections of this program closed with 320 CONNECTION_FORCED, as by an operator. */
export function forceClose() {
  return command("close");
}

/** What a promise will give, if it does in time. */
export async function within(promise, deadline = EVENT_DEADLINE_MS) {
  const late = new Error(`nothing came within ${deadline} ms`);
  let timer;
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(reject, deadline, late);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that callbacks are given, to be waited for one after the other: `put` is such a callback. */
export class Inbox {
  #things = [];
  #takers = [];

  put = (thing) => {
    const taker = this.#takers.shift();
    if (taker) taker(thing);
    else this.#things.push(thing);
  };

  take() {
    if (this.#things.length > 0) return Promise.resolve(this.#things.shift());
    return within(new Promise((resolve) => this.#takers.push(resolve)));
  }

  async takeAll(count) {
    const taken = [];
    while (taken.length < count) taken.push(await this.take());
    return taken;
  }

  get isEmpty() {
    return this.#things.length === 0;
  }
}

/** Perform the checks in the order they were made (or only those named on the command line), and exit. */
export async function main() {
  const names = process.argv.slice(2);
  const chosen = names.length
    ? checks.filter(({ name }) => names.includes(name))
    : checks;
  let failures = 0;
  for (const each of chosen) if (!(await passes(each))) failures += 1;
  console.log(`1..${chosen.length}`);
  process.exit(failures ? 1 : 0); // connections of a failed check must not keep the program
}

async function passes({ name, perform }) {
  const accident = new Promise((_, reject) => {
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", reject); // also what no one listens to
  });
  const performed = Promise.resolve().then(perform);
  try {
    await within(Promise.race([performed, accident]), CHECK_DEADLINE_MS);
  } catch (error) {
    if (error instanceof Skipped) {
      console.log(`ok - ${name} # SKIP ${error.message}`);
      return true;
    }
    const text = error?.stack ?? String(error);
    console.log(`not ok - ${name}\n${text.replaceAll(/^/gm, "# ")}`);
    return false;
  }
  console.log(`ok - ${name}`);
  return true;
}

async function command(word) {
  const control = connect(Number(process.env.INTEROP_CONTROL), "127.0.0.1");
  control.end(`${word}\n`);
  const [answer] = await within(once(control, "data"));
  if (String(answer) !== "done\n")
    throw new Error(`the proxy answers ${answer}`);
}
