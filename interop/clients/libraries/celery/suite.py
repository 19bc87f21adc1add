"""Runs Celery's integration tests with a Redis of their own, which keeps their results.

The program `redis-server` is in Debian's package redis-tools, too, by another name; the package redis-server would
start a service.
"""

import os
import socket
import subprocess
import sys
import time

DEADLINE_S = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    give_up_at = time.monotonic() + DEADLINE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < give_up_at, "Redis does not start"
            time.sleep(0.05)


port = str(free_port())
options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
redis = subprocess.Popen(["redis-server", *options], executable="/usr/bin/redis-check-rdb")
try:
    wait_for(int(port))
    address = {"TEST_BACKEND": f"redis://127.0.0.1:{port}/0", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": port}
    tests = subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], env={**os.environ, **address})
finally:
    redis.terminate()
    redis.wait()
sys.exit(tests.returncode)
