"""Where the broker is, for py-amqplib's own tests, which take that from the command line otherwise."""

import os

connect_args = {"host": os.environ["BROKER"], "userid": "guest", "password": "guest", "ssl": False}
test_args = {"verbosity": 1}
