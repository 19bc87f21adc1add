"""What a compose file that was made for RabbitMQ's image does with it, played with ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import HTTPBasicAuthHandler, HTTPPasswordMgrWithDefaultRealm, build_opener

import pika
import pika.adapters.blocking_connection

from interop.container.image import Container, Image
from interop.container.waits import parameters_for, wait_for_connection, wait_for_log

USER, PASSWORD, VHOST = "shop", "s3cret", "orders"
VARIABLES = {
    "RABBITMQ_DEFAULT_USER": USER,
    "RABBITMQ_DEFAULT_PASS": PASSWORD,
    "RABBITMQ_DEFAULT_VHOST": VHOST,
    "RABBITMQ_NODE_PORT": "5672",
    "RABBITMQ_ERLANG_COOKIE": "means nothing here",
}
FILES = {
    "/etc/rabbitmq/rabbitmq.conf": "cluster_name = of-the-file\nheartbeat = 17\n",
    "/etc/rabbitmq/conf.d/20-more.conf": "heartbeat = 18\nload_definitions = /etc/rabbitmq/definitions.json\n",
    "/etc/rabbitmq/enabled_plugins": "[rabbitmq_management,rabbitmq_stomp].\n",
    "/etc/rabbitmq/definitions.json": json.dumps(
        {
            "vhosts": [{"name": VHOST}],
            "queues": [
                {"vhost": VHOST, "name": "defined", "durable": True, "auto_delete": False, "arguments": {}},
            ],
        }
    ),
}


def play(image: Image) -> Iterator[str]:
    """Yields what has been found to be so. Raises AssertionError."""
    with image.start(VARIABLES, FILES) as container:
        log = wait_for_log(container.lines())
        yield "testcontainers for Java has waited for the log"
        tries = wait_for_connection(parameters_for(*container.address(5672), USER, PASSWORD, VHOST))
        yield f"testcontainers for Python has opened a connection: attempt {tries}"
        assert said(log, "there is no plugin rabbitmq_stomp")
        yield "a plugin that is not there is named in the log"
        assert said(log, "listening on 0.0.0.0:5672")
        assert said(log, "the management API listens on 0.0.0.0:15672")
        assert said(log, "metrics are at http://0.0.0.0:15692/metrics")
        yield "it listens to others than itself"
        assert container.users() == {999}, container.users()
        yield "nothing runs as root"
        yield from programs(image, container)
        overview = api(container, "overview")
        assert overview["cluster_name"] == "of-the-file", overview
        assert [each["name"] for each in api(container, f"queues/{VHOST}")] == ["defined"]
        yield "rabbitmq.conf and definitions are read, and the management API is there"
        with client(container) as channel:
            channel.confirm_delivery()
            channel.basic_publish("", "defined", b"kept", pika.BasicProperties(delivery_mode=2))
        assert container.stop() == 0
        yield "it stops in order"
    with image.start(VARIABLES, {}) as container:
        wait_for_log(container.lines())
        with client(container) as channel:
            _, _, body = channel.basic_get("defined", auto_ack=True)
        assert body == b"kept", body
        assert container.stop() == 0
        yield "another container finds the message in the volume"
    with image.start({}, {}) as container:
        assert said(wait_for_log(container.lines()), "guest may log in from other machines")
        yield "without any variables it starts, too, and guest is let in"


def said(log: list[str], text: str) -> bool:
    """True if one line of a log has a text. Raises AssertionError with the log if none or several have."""
    assert [text in line for line in log].count(True) == 1, f"{text!r} is not in one line of\n{''.join(log)}"
    return True


def programs(image: Image, container: Container) -> Iterator[str]:
    """What health checks and scripts run in the container."""
    for command in (
        image.health_check,
        ["rabbitmq-diagnostics", "-q", "ping"],
        ["rabbitmq-diagnostics", "-q", "check_running"],
        ["rabbitmq-diagnostics", "-q", "check_local_alarms"],
        ["rabbitmq-diagnostics", "-q", "check_port_connectivity"],
        ["rabbitmqctl", "status"],
        ["rabbitmq-plugins", "enable", "--offline", "rabbitmq_management"],
        ["amqpy", "status"],
    ):
        done = container.run(*command)
        assert done.returncode == 0, (command, done)
    done = container.run("rabbitmqctl", "-q", "list_users")
    assert done.stdout == f"user\ttags\n{USER}\t[administrator]\n", done
    done = container.run("rabbitmqctl", "-q", "list_vhosts")
    assert done.stdout == f"name\n{VHOST}\n", done
    yield "the health check and RabbitMQ's programs succeed in the container"


@contextmanager
def client(container: Container) -> Iterator["pika.adapters.blocking_connection.BlockingChannel"]:
    connection = pika.BlockingConnection(parameters_for(*container.address(5672), USER, PASSWORD, VHOST))
    yield connection.channel()
    connection.close()


def api(container: Container, path: str) -> Any:  # noqa: ANN401 (any JSON)
    """An answer of the management API."""
    host, port = container.address(15672)
    passwords = HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, f"http://{host}:{port}", USER, PASSWORD)
    opener = build_opener(HTTPBasicAuthHandler(passwords))
    with opener.open(f"http://{host}:{port}/api/{path}", timeout=30) as answer:
        return json.load(answer)
