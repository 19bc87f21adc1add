"""Applications and workers that last as long as a `with` block, and waiting for what they do."""

import contextlib
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import kombu.pools
from checks import name_of
from tasks import SETTINGS, make_app

DEADLINE_S = 60
POLL_S = 0.02
SHOWN_LINES = 60

CONFIRMING = {"broker_transport_options": {"confirm_publish": True}}


@contextlib.contextmanager
def application(what, broadcasts=(), **settings):
    """An application with names and settings of its own. At the end, what it made in the broker is deleted."""
    app = make_app(name_of(what), settings, broadcasts)
    app.made_of = name_of(what), settings, broadcasts  # so its workers are, too
    app.set_current()
    app.set_default()
    try:
        yield app
    finally:
        with contextlib.suppress(AttributeError):  # nobody waited for a result, or not by way of the broker
            app.backend.result_consumer.stop()
        kombu.pools.reset()  # they belong to all applications with the same broker
        with app.connection_for_write() as connection:
            clean(app, connection.default_channel)
        app.close()


def clean(app, channel):
    for queue in app.amqp.queues.values():
        channel.queue_delete(queue.name)
        if queue.exchange and queue.exchange.name:
            channel.exchange_delete(queue.exchange.name)
    control = app.conf.control_exchange
    for exchange in (f"{control}.pidbox", f"reply.{control}.pidbox", app.conf.event_exchange):
        channel.exchange_delete(exchange)


class Command:
    """`celery -A tasks …` in a child process, whose output can be waited for."""

    def __init__(self, app, *words):
        settings = pickle.dumps(app.made_of).hex()
        self.lines = []
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--quiet", "-A", "tasks", *words],
            env={**os.environ, SETTINGS: settings, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self.process.stdout:
            for line in self.process.stdout:
                self._tell(line)
        self._ended = True
        self._tell("")

    def _tell(self, line):
        with self._news:
            self.lines.append(line.rstrip())
            self._news.notify_all()

    @property
    def output(self):
        return "\n".join(self.lines)

    def wait_for(self, pattern, times=1):
        """Until so many lines of its output match."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self.count(pattern) >= times, DEADLINE_S)
            assert self.count(pattern) >= times, f"no {pattern!r} in the output"

    def count(self, pattern):
        return sum(bool(re.search(pattern, line)) for line in self.lines)

    def end(self):
        """Wait for its end, and give its exit code; its output is complete then."""
        code = self.process.wait(DEADLINE_S)
        with self._news:
            self._news.wait_for(lambda: self._ended, DEADLINE_S)
        return code


def celery(app, *words):
    """What a `celery` command prints that has to succeed."""
    command = Command(app, *words)
    assert command.end() == 0, command.output
    return command.output


@contextlib.contextmanager
def running(app, *words, ready, code=0):
    """A command that runs until it gets SIGTERM. It must finish what it has begun, and exit with a code."""
    command = Command(app, *words)
    try:
        command.wait_for(ready)
        yield command
        command.process.terminate()
        assert command.end() == code, f"ended with {command.process.returncode}"
    except BaseException as error:
        error.add_note("\n".join(command.lines[-SHOWN_LINES:]))
        raise
    finally:
        command.process.kill()
        command.end()


@contextlib.contextmanager
def worker(app, *options, pool="solo", alone=True, code=0):
    """A worker of one process; `alone`: it looks for no others, and so is ready a second earlier."""
    name = f"{pool}-{time.monotonic_ns()}@{app.main}"
    solitude = ["--without-mingle", "--without-gossip"] if alone else []
    words = ["worker", "--pool", pool, "--hostname", name, "--loglevel", "INFO", *solitude, *options]
    with running(app, *words, ready=r" ready\.$", code=code) as process:
        process.name = name
        yield process


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def wait_until(true):
    give_up_at = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < give_up_at, "what was waited for did not happen"
        time.sleep(POLL_S)


def lines_of(path, count):
    """The lines of a file, when it has so many."""
    wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= count)
    return path.read_text().splitlines()


def count_in(app, queue):
    """How many messages wait in a queue."""
    with app.connection_for_read() as connection:
        return connection.default_channel.queue_declare(queue, passive=True).message_count


def raises(kind, function, *arguments, **options):
    """The error of this kind that a function must raise."""
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")
