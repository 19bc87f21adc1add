"""amqp-publish, amqp-consume, amqp-get, amqp-declare-queue and amqp-delete-queue, as scripts use them."""

import contextlib
import hashlib
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pika
from checks import URL, check, cut, force_close, main, name_of

DEADLINE_S = 60

# A handler that tells that it was started, and then waits to be let go.
HOLD = "cat > /dev/null; echo held > started; read word < go"


def run(command, *options, body=b"", code=0):
    """What a command printed; it must end with this code."""
    done = subprocess.run(
        [f"amqp-{command}", f"--url={URL}", *options], input=body, capture_output=True, timeout=DEADLINE_S
    )
    assert done.returncode == code, done
    return (done.stdout or done.stderr) if code else done.stdout


@contextlib.contextmanager
def running(*command):
    """A command, which must end without an error."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.stdout.close()


def consuming(*options):
    return running("amqp-consume", f"--url={URL}", *options)


@contextlib.contextmanager
def queue_named(what, *options):
    name = name_of(what)
    assert run("declare-queue", "-q", name, *options).decode() == f"{name}\n"
    try:
        yield name
    finally:
        run("delete-queue", "-q", name)


@contextlib.contextmanager
def observer():
    with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
        yield connection.channel()


def counts(queue):
    """Messages that are ready, and consumers; None if there is no such queue or it is somebody's own."""
    with observer() as channel:
        try:
            state = channel.queue_declare(queue, passive=True).method
        except pika.exceptions.ChannelClosedByBroker as closed:
            return closed.reply_code
        return state.message_count, state.consumer_count


def wait_for(queue, wanted):
    deadline = time.monotonic() + DEADLINE_S
    while (found := counts(queue)) != wanted:
        assert time.monotonic() < deadline, f"{found} instead of {wanted}"


@check("topology")
def topology():
    name = run("declare-queue", "-q", "").decode().strip()
    assert name.startswith("amq.gen-")
    run("publish", "-r", name, "-b", "one")
    assert b"PRECONDITION_FAILED" in run("delete-queue", "-q", name, "--if-empty", code=1)
    assert run("delete-queue", "-q", name, "--if-unused") == b"1\n"
    assert run("delete-queue", "-q", name) == b"0\n"
    with queue_named("durable", "--durable") as name:
        assert b"inequivalent arg 'durable'" in run("declare-queue", "-q", name, code=1)


@check("bindings")
def bindings():
    """With an exchange, amqp-consume declares its queue and binds it, also with several keys."""
    name = name_of("bound")
    with consuming("-q", name, "-e", "amq.topic", "-r", "a.*,b.#", "-c", "2", "cat") as consumer:
        wait_for(name, (0, 1))
        for key in ("a.1.x", "a.1", "c", "b.1.2"):
            run("publish", "-e", "amq.topic", "-r", f"{name}.{key}", "-b", f"[{key}]")
            run("publish", "-e", "amq.topic", "-r", key, "-b", f"[{key}]")
        assert consumer.stdout.read() == b"[a.1][b.1.2]"
    wait_for(name, 404)


@check("properties")
def properties():
    with queue_named("properties") as name, observer() as channel:
        properties = ("-p", "-C", "text/plain", "-E", "identity", "-t", "reply", "-H", "one: 1", "-H", "two: a: b")
        run("publish", "-r", name, *properties, "-b", "all")
        run("publish", "-r", name, "-b", "none")
        _, all_, body = channel.basic_get(name, auto_ack=True)
        assert (body, all_.content_type, all_.content_encoding) == (b"all", "text/plain", "identity")
        assert (all_.delivery_mode, all_.reply_to, all_.headers) == (2, "reply", {"one": "1", "two": "a: b"})
        _, none, body = channel.basic_get(name, auto_ack=True)
        assert (body, none.content_type, none.delivery_mode, none.headers) == (b"none", None, 1, None)


@check("large body")
def large_body():
    with queue_named("large") as name:
        for size in (0, 1, 131_063, 131_064, 131_065, 16 << 20):
            body = os.urandom(size)
            run("publish", "-r", name, body=body)
            assert hashlib.sha256(run("get", "-q", name)).digest() == hashlib.sha256(body).digest(), size
        run("get", "-q", name, code=2)


@check("lines")
def lines():
    """Each line is a message at once, while the command goes on reading."""
    with queue_named("lines") as name:
        with running("amqp-publish", f"--url={URL}", "-r", name, "--line-buffered") as publisher:
            for number in range(1, 4):
                publisher.stdin.write(b"line %d\n" % number)
                publisher.stdin.flush()
                wait_for(name, (number, 0))
        with consuming("-q", name, "--count=3", "cat") as consumer:
            assert consumer.stdout.read() == b"line 1\nline 2\nline 3\n"


@check("acknowledgements")
def acknowledgements():
    """A message is acknowledged if its handler succeeds, or before that, with --no-ack."""
    with queue_named("acks") as name, observer() as channel:
        for end, options, left in (("true", (), False), ("false", (), True), ("false", ("--no-ack",), False)):
            run("publish", "-r", name, "-b", "job")
            run("consume", "-q", name, "-c", "1", *options, "--", "sh", "-c", f"cat > /dev/null; {end}")
            method, _, _ = channel.basic_get(name, auto_ack=True)
            assert (method is not None) == left, (end, options)
            assert not left or method.redelivered


@check("prefetch")
def prefetch():
    fifos = [Path("started"), Path("go")]
    for fifo in fifos:
        os.mkfifo(fifo)
    with queue_named("prefetch") as name:
        run("publish", "-r", name, "-l", body=b"1\n2\n3\n4\n5\n")
        wait_for(name, (5, 0))
        with consuming("-q", name, "--prefetch-count=2", "-c", "5", "--", "sh", "-c", HOLD):
            for ready in (3, 2, 1, 0, 0):
                assert Path("started").read_text() == "held\n"
                wait_for(name, (ready, 1))
                Path("go").write_text("on\n")
        assert counts(name) == (0, 0)
    for fifo in fifos:
        fifo.unlink()


@check("exclusive")
def exclusive():
    name = name_of("exclusive")
    with consuming("-q", name, "--exclusive", "-c", "1", "cat") as consumer:
        wait_for(name, 405)
        assert b"RESOURCE_LOCKED" in run("get", "-q", name, code=1)
        run("publish", "-r", name, "-b", "mine")
        assert consumer.stdout.read() == b"mine"
    wait_for(name, 404)


@check("errors")
def errors():
    missing = name_of("missing")
    for command in (("get", "-q", missing), ("consume", "-q", missing, "cat")):
        assert f"404, message: NOT_FOUND - no queue '{missing}' in vhost '/'".encode() in run(*command, code=1)
    assert b"404, message: NOT_FOUND - no exchange" in run("publish", "-e", missing, "-b", "lost", code=1)


@check("logins")
def logins():
    address = urlsplit(URL)
    options = ["amqp-publish", f"--server={address.hostname}", f"--port={address.port}", "-r", "nowhere", "-b", "text"]
    for more, code, said in (
        (("--vhost=/", f"--username={address.username}", f"--password={address.password}", "--heartbeat=10"), 0, b""),
        (("--username=guest", "--password=wrong"), 1, b"403, message: ACCESS_REFUSED - Login was refused"),
        (("--vhost=nowhere",), 1, b"530, message: NOT_ALLOWED - "),
    ):
        done = subprocess.run([*options, *more], capture_output=True, timeout=DEADLINE_S)
        assert done.returncode == code, done
        assert said in done.stderr, done


def resumes(end):
    """A consumer in a loop, as scripts have it: it ends with the connection, and the next one goes on."""
    with queue_named("resumed", "--durable") as name:
        loop = 'until amqp-consume --url="$0" --queue="$1" --count=2 cat; do :; done'
        with running("sh", "-c", loop, URL, name) as consumer:
            run("publish", "-p", "-r", name, "-b", "first\n")
            assert consumer.stdout.readline() == b"first\n"
            end()
            for body in ("second\n", "third\n"):
                run("publish", "-p", "-r", name, "-b", body)
            # Whether the acknowledgement of the first one was faster than the end is nobody's promise.
            assert consumer.stdout.read() in (b"second\nthird\n", b"first\nsecond\n")


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    resumes(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    resumes(cut)


main()
