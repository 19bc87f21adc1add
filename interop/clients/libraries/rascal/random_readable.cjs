// What rascal's tests want of the package random-readable, which not every registry has.

const { randomBytes } = require("node:crypto");
const { Readable } = require("node:stream");

exports.createRandomStream = () =>
  new Readable({
    read(size) {
      this.push(randomBytes(size));
    },
  });
