"""syslog-ng with a destination amqp(); its messages come from its standard input."""

import contextlib
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pika
from checks import URL, check, cut, force_close, main, name_of

DEADLINE_S = 60

ADDRESS = urlsplit(URL)

CONFIGURATION = """
@version: 3.38
source lines {{ stdin(flags(no-parse)); }};
destination broker {{
    amqp(
        host("{host}") port({port}) vhost("{vhost}") username("{user}") password("{password}")
        exchange("{exchange}") exchange-type("topic") exchange-declare(yes)
        routing-key("log") body("[$MSG]") persistent(yes)
        value-pairs(pair("LENGTH" "$(length $MSG)") pair("CONSTANT" "value"))
        time-reopen(1) {more}
    );
}};
log {{ source(lines); destination(broker); }};
"""


class Logger:
    """A running syslog-ng."""

    def __init__(self, folder, exchange, more):
        configuration = CONFIGURATION.format(
            host=ADDRESS.hostname,
            port=ADDRESS.port,
            vhost=unquote(ADDRESS.path[1:]),
            user=ADDRESS.username,
            password=ADDRESS.password,
            exchange=exchange,
            more=more,
        )
        (folder / "conf").write_text(configuration)
        files = {"cfgfile": "conf", "pidfile": "pid", "control": "ctl", "persist-file": "persist"}
        options = [f"--{option}={folder / name}" for option, name in files.items()]
        self._process = subprocess.Popen(
            ["syslog-ng", "--foreground", "--no-caps", *options], stdin=subprocess.PIPE, bufsize=0
        )

    def log(self, line):
        self._process.stdin.write(f"{line}\n".encode())

    def stop(self):
        self._process.terminate()
        assert self._process.wait(DEADLINE_S) == 0


@contextlib.contextmanager
def logging(what, more=""):
    """A syslog-ng, and how to get what it publishes."""
    exchange = name_of(what)
    with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "topic")
        # Not exclusive: it must outlive the end of this connection.
        channel.queue_declare(exchange, durable=True)
        channel.queue_bind(exchange, exchange, "#")
    with tempfile.TemporaryDirectory() as folder:
        logger = Logger(Path(folder), exchange, more)
        try:
            yield logger, exchange
        finally:
            logger.stop()
    with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
        connection.channel().queue_delete(exchange)
        connection.channel().exchange_delete(exchange)


def received(queue, count):
    """The next messages of a queue."""
    with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
        channel = connection.channel()
        found = []
        for delivery in channel.consume(queue, inactivity_timeout=DEADLINE_S):
            assert delivery[0] is not None, f"{len(found)} of {count} messages"
            channel.basic_ack(delivery[0].delivery_tag)
            found.append(delivery)
            if len(found) == count:
                channel.cancel()
                return found


def texts(queue, count):
    return [body.decode() for _, _, body in received(queue, count)]


@check("properties")
def properties():
    with logging("properties") as (logger, queue):
        logger.log("hello")
        ((method, properties, body),) = received(queue, 1)
        assert (method.routing_key, body) == ("log", b"[hello]")
        assert properties.delivery_mode == 2
        assert properties.headers == {"LENGTH": "5", "CONSTANT": "value"}


@check("many messages")
def many_messages():
    with logging("many") as (logger, queue):
        for number in range(2000):
            logger.log(number)
        assert texts(queue, 2000) == [f"[{number}]" for number in range(2000)]


@check("small frames")
def small_frames():
    with logging("frames", "heartbeat(30) frame-size(4096)") as (logger, queue):
        logger.log("x" * 6000)
        assert texts(queue, 1) == ["[" + "x" * 6000 + "]"]


def resumes(end):
    """It notices the end of a connection when it publishes, and then makes a new one."""
    with logging("resumed") as (logger, queue):
        logger.log("before")
        assert texts(queue, 1) == ["[before]"]
        end()
        lines = []
        with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
            for delivery in connection.channel().consume(queue, auto_ack=True, inactivity_timeout=0.5):
                if delivery[0] is not None:
                    break
                assert len(lines) < 2 * DEADLINE_S
                lines.append(f"[after {len(lines)}]")
                logger.log(lines[-1][1:-1])
        assert delivery[2].decode() in lines
        logger.log("last")
        while texts(queue, 1) != ["[last]"]:
            pass


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    resumes(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    resumes(cut)


main()
