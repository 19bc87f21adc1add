"""carbon-cache with its AMQP listener: what is published is in its files."""

import contextlib
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import pika
import whisper
from checks import URL, check, cut, force_close, main, name_of

BROKER = urlsplit(URL)
TIMEOUT_S = 60
POLL_S = 0.1
STEP_S = 60
NOW = int(time.time()) // STEP_S * STEP_S
SETTINGS = {
    "LINE_RECEIVER_PORT": 0,
    "PICKLE_RECEIVER_PORT": 0,
    "CACHE_QUERY_PORT": 0,
    "MAX_CREATES_PER_MINUTE": "inf",
    "MAX_UPDATES_PER_SECOND": 100_000,
    "ENABLE_AMQP": True,
    "AMQP_HOST": BROKER.hostname,
    "AMQP_PORT": BROKER.port,
    "AMQP_VHOST": "/",
    "AMQP_USER": BROKER.username,
    "AMQP_PASSWORD": BROKER.password,
    "AMQP_METRIC_NAME_IN_BODY": False,
    "BIND_PATTERNS": "#",
}
SCHEMAS = "[all]\npattern = .*\nretentions = 1m:1d\n"


def point(value, steps_ago=0):
    """A line of a message."""
    return f"{value} {NOW - steps_ago * STEP_S}\n".encode()


def wait_until(reached, what):
    deadline = time.monotonic() + TIMEOUT_S
    while not reached():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(POLL_S)


@contextlib.contextmanager
def publishing():
    with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
        yield connection.channel()


class Carbon:
    """A carbon-cache in a folder of its own."""

    def __init__(self, folder, exchange, names_in_body, settings):
        self.exchange = exchange
        self._names_in_body = names_in_body
        self._folder = Path(folder)
        self._ready = itertools.count()
        settings = {
            **SETTINGS,
            "STORAGE_DIR": folder,
            "LOCAL_DATA_DIR": f"{folder}/whisper",
            "CONF_DIR": folder,
            "AMQP_EXCHANGE": exchange,
            "AMQP_METRIC_NAME_IN_BODY": names_in_body,
            **settings,
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self._folder / "carbon.conf").write_text(f"[cache]\n{lines}")
        (self._folder / "storage-schemas.conf").write_text(SCHEMAS)
        self._log = self._folder / "log"
        script = Path(sys.executable).with_name("carbon-cache.py")
        command = [sys.executable, script, f"--config={folder}/carbon.conf", "--debug", "start"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)

    def stop(self):
        self._process.terminate()
        self._process.wait(TIMEOUT_S)

    def send(self, channel, metric, *points):
        if self._names_in_body:
            channel.basic_publish(self.exchange, "any", b"".join(metric.encode() + b" " + each for each in points))
        else:
            channel.basic_publish(self.exchange, metric, b"".join(points))

    def wait_ready(self):
        """Wait until it gets what is published."""
        metric = f"servers.ready{next(self._ready)}"

        def arrives():
            assert self._process.poll() is None, self._log.read_text()
            # There is no exchange before carbon declares it.
            with contextlib.suppress(pika.exceptions.AMQPError), publishing() as channel:
                self.send(channel, metric, point(0))
            return self.values(metric)

        wait_until(arrives, "carbon")

    def values(self, metric):
        """What it has stored, by the step, counted back from now."""
        file = self._folder / "whisper" / f"{metric.replace('.', '/')}.wsp"
        if not file.exists():
            return {}
        try:
            (start, end, step), points = whisper.fetch(str(file), 0)
        except whisper.CorruptWhisperFile:  # a file that carbon is just making has no header yet
            return {}
        found = zip(range(start, end, step), points, strict=True)
        return {(NOW - at) // step: value for at, value in found if value is not None}

    def wait_values(self, metric, expected):
        wait_until(lambda: self.values(metric) == expected, f"{expected} of {metric}, not {self.values(metric)}")


@contextlib.contextmanager
def listening(what, *, names_in_body=False, **settings):
    exchange = name_of(what)
    with tempfile.TemporaryDirectory() as folder:
        carbon = Carbon(folder, exchange, names_in_body, settings)
        try:
            carbon.wait_ready()
            yield carbon
        finally:
            carbon.stop()
            with publishing() as channel:
                channel.exchange_delete(exchange)


@check("metrics")
def metrics():
    with listening("metrics") as carbon, publishing() as channel:
        for number in range(200):
            carbon.send(channel, f"servers.s{number}.load", point(number), point(number / 2, 1))
        carbon.send(channel, "servers.wrong", b"not a number\n", point(7), b"nan 1700000000\n", b"\n")
        for number in range(200):
            carbon.wait_values(f"servers.s{number}.load", {0: number, 1: number / 2})
        carbon.wait_values("servers.wrong", {0: 7})


@check("names in the body")
def names_in_the_body():
    with listening("names", names_in_body=True) as carbon, publishing() as channel:
        carbon.send(channel, "servers.one", point(1), point(2, 1))
        carbon.wait_values("servers.one", {0: 1, 1: 2})


@check("topology")
def topology():
    """Its exchange is durable; its queue is its own, and bound to the patterns that it is told."""
    with listening("topology", BIND_PATTERNS="servers.#, *.load") as carbon, publishing() as channel:
        channel.exchange_declare(carbon.exchange, "topic", durable=True)
        for metric in ("other.memory", "other.load", "servers.memory", "servers.one.load"):
            carbon.send(channel, metric, point(5))
        for metric in ("other.load", "servers.memory", "servers.one.load"):
            carbon.wait_values(metric, {0: 5})
        assert carbon.values("other.memory") == {}


@check("its own publisher")
def its_own_publisher():
    with listening("publisher") as carbon:
        command = [sys.executable, "-m", "carbon.amqp_publisher", "--exchange", carbon.exchange]
        command += ["--host", BROKER.hostname, "--port", str(BROKER.port), "servers.load", "2.5", str(NOW)]
        subprocess.run(command, check=True, timeout=TIMEOUT_S, capture_output=True)
        carbon.wait_values("servers.load", {0: 2.5})


@check("large body")
def large_body():
    """Of many frames: the values of a whole day, with more digits than they need."""
    count = 24 * 60 - 10
    with listening("large") as carbon, publishing() as channel:
        carbon.send(channel, "servers.large", *(point(f"{step}.{'0' * 1000}", step) for step in range(count)))
        carbon.wait_values("servers.large", {step: step for step in range(count)})


def reconnect(break_connections):
    with listening("reconnect") as carbon:
        for round_ in range(2):
            with publishing() as channel:
                carbon.send(channel, f"servers.before{round_}", point(1))
                carbon.wait_values(f"servers.before{round_}", {0: 1})
            break_connections()
            carbon.wait_ready()


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    reconnect(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    reconnect(cut)


main()
