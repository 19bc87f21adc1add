// Runs rascal's tests that talk to a broker as its own runner would, which can't tell of them as TAP.

const net = require("node:net");
const { Harness, Suite, TapReporter, syntax } = require("zunit");

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
const WITH_BROKER =
  /^(broker|publications|shovel|subscriptions|vhost).*\.tests\.js$/;

// One test connects to a private address where it expects no answer; it must get none, whatever is there.
const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (...parameters) {
  const [{ host = "localhost" }] = parameters.flat();
  return LOOPBACK.includes(host) ? connect.apply(this, parameters) : this;
};

// What is thrown where zUnit does not see it would be the end of all tests; so it is that of one, which times out.
process.on("uncaughtException", ({ stack }) => {
  console.log(stack.replaceAll(/^/gm, "# "));
});

/** Compares how long two ways take, which says nothing on a busy machine; rascal's own CI leaves it out, too. */
const COMPARES_TIMES = "should create objects concurrently";

/** Tests that allow themselves two seconds are for an idle machine. */
function patient({ timeout, ...options } = {}) {
  return timeout ? { timeout: 3 * timeout, ...options } : options;
}

async function main() {
  Object.assign(global, syntax, {
    describe: (name, define, options) =>
      syntax.describe(name, define, patient(options)),
    it: (name, perform, options) =>
      name === COMPARES_TIMES
        ? syntax.xit(name, perform)
        : syntax.it(name, perform, patient(options)),
  });
  const suite = await new Suite("rascal").discover({ pattern: WITH_BROKER });
  const report = await new Harness(suite).run(new TapReporter());
  process.exit(report.failed ? 1 : 0);
}

main();
