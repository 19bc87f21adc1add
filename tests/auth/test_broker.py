"""A whole broker with back ends, a real client, and real servers on loopback: an issuer of tokens, a web service."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

import amqpy
from amqpy.config import Config
from tests.auth.issuer import jwk, rsa_key, token

Fields = dict[str, str]


class Handler(BaseHTTPRequestHandler):
    """A web service that knows bob, and an issuer of tokens that publishes its keys."""

    asked: list[tuple[str, Fields]]
    key_ids: list[str]
    denied: set[tuple[str, str]]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        fields = {name: value[0] for name, value in parse_qs(address.query, keep_blank_values=True).items()}
        if address.path == "/.well-known/openid-configuration":
            self.say(json.dumps({"issuer": self.root, "jwks_uri": f"{self.root}/keys"}))
        elif address.path == "/keys":
            self.say(json.dumps({"keys": [jwk(rsa_key(key_id), kid=key_id) for key_id in self.key_ids]}))
        else:
            self.asked.append((address.path, fields))
            self.say(self.verdict(address.path, fields))

    @property
    def root(self) -> str:
        return f"http://{self.headers['Host']}"

    def verdict(self, path: str, fields: Fields) -> str:
        if fields["username"] != "bob" or fields.get("password", "pa&ss wörd") != "pa&ss wörd":
            return "deny"
        if (fields.get("permission", ""), fields.get("name", "")) in self.denied:
            return "deny"
        return "allow management" if path == "/user" else "allow"

    def say(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its name there)
        """Says nothing on stderr."""


@contextmanager
def serving() -> Iterator[tuple[type[Handler], str]]:
    handler = type("OwnHandler", (Handler,), {"asked": [], "key_ids": ["first"], "denied": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield handler, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def connect(broker: amqpy.RunningBroker, name: str, password: str) -> pika.BlockingConnection:
    return pika.BlockingConnection(
        pika.ConnectionParameters(port=broker.port, credentials=pika.PlainCredentials(name, password))
    )


def refusal(channel: BlockingChannel, queue: str) -> str:
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.queue_declare(queue)
    assert refused.value.reply_code == 403
    return str(refused.value.reply_text)


def fresh_token(key_id: str = "first", span_s: int = 600, **changes: Any) -> str:  # noqa: ANN401
    return token(rsa_key(key_id), key_id=key_id, exp=int(time.time()) + span_s, **changes).decode()


def test_a_web_service_says_who_may_what() -> None:
    with serving() as (handler, root):
        paths = {f"auth_http_{path}_path": f"{root}/{path}" for path in ("user", "vhost", "resource", "topic")}
        config = Config(port=0, auth_backends=("internal", "http"), **paths)  # type: ignore[arg-type]
        handler.denied.add(("configure", "forbidden"))
        with amqpy.run_in_thread(config) as broker:
            with connect(broker, "guest", "guest") as connection:
                connection.channel().queue_declare("q")
            assert handler.asked == [], "the broker's own users need no web service"
            with connect(broker, "bob", "pa&ss wörd") as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                for number in range(100):
                    channel.basic_publish("", "q", b"%d" % number)
                channel.basic_publish("amq.topic", "a.b", b"")
                assert channel.queue_declare("q", passive=True).method.message_count == 100
                name = channel.queue_declare("", exclusive=True).method.queue
                assert refusal(channel, "forbidden") == (
                    "ACCESS_REFUSED - configure access to queue 'forbidden' in vhost '/' refused for user 'bob'"
                )
            with pytest.raises(pika.exceptions.ProbableAuthenticationError):
                connect(broker, "bob", "wrong")
    paths_asked = [path for path, _ in handler.asked]
    assert paths_asked == ["/user", "/vhost", "/resource", "/resource", "/topic", "/resource", "/resource", "/user"]
    assert handler.asked[1][1] == {"username": "bob", "vhost": "/", "ip": "127.0.0.1", "tags": "management"}
    assert [fields["name"] for path, fields in handler.asked if path == "/resource"] == [
        "amq.default",
        "amq.topic",
        name,
        "forbidden",
    ]


def test_tokens_of_an_issuer() -> None:
    with serving() as (_, root):
        config = Config(
            port=0, auth_backends=("oauth2",), auth_oauth2_resource_server_id="rmq", auth_oauth2_issuer=root
        )
        with amqpy.run_in_thread(config) as broker:
            with connect(broker, "", fresh_token(iss=root, scope="rmq.configure:*/mine.* rmq.write:*/*")) as connection:
                channel = connection.channel()
                channel.queue_declare("mine.q")
                channel.basic_publish("", "mine.q", b"")
                assert "access to queue 'q' in vhost '/' refused for user 'alice'" in refusal(channel, "q")
                connection.update_secret(fresh_token(iss=root), "more is needed")
                connection.channel().queue_declare("q")
            for bad in (
                fresh_token(iss=root, aud="other"),
                fresh_token(iss=root, span_s=-1),
                fresh_token("second", iss=root),
                "guest",
            ):
                with pytest.raises(pika.exceptions.ProbableAuthenticationError):
                    connect(broker, "guest", bad)
            with pytest.raises(pika.exceptions.ProbableAccessDeniedError):
                connect(broker, "", fresh_token(iss=root, scope="rmq.read:other/*"))
            with connect(broker, "", fresh_token(iss=root)) as connection:
                with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
                    connection.update_secret("garbage", "why")
                assert (closed.value.reply_code, closed.value.reply_text) == (
                    530,
                    "NOT_ALLOWED - New secret was refused by one of the backends",
                )
            with connect(broker, "", fresh_token(iss=root, span_s=2)) as connection:
                with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
                    connection.process_data_events(time_limit=60)
                assert (closed.value.reply_code, closed.value.reply_text) == (
                    320,
                    "CONNECTION_FORCED - credential expired",
                )


def test_a_service_that_is_not_there_lets_nobody_in_and_keeps_nobody_else_out() -> None:
    with serving() as (_, root):
        pass
    paths = {f"auth_http_{path}_path": f"{root}/{path}" for path in ("user", "vhost", "resource", "topic")}
    config = Config(port=0, auth_backends=("http", "internal"), **paths)  # type: ignore[arg-type]
    with amqpy.run_in_thread(config) as broker:
        with connect(broker, "guest", "guest") as connection:
            connection.channel().queue_declare("q")
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            connect(broker, "bob", "pa&ss wörd")


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_password_and_no_token_is_logged(caplog: pytest.LogCaptureFixture, method: str) -> None:
    caplog.set_level(logging.DEBUG)
    good, bad = fresh_token(), fresh_token("other")
    secrets = ["pa&ss wörd", "pa%26ss", "se-cret", *good.split("."), *bad.split(".")]
    with serving() as (_, root):
        paths = {f"auth_http_{path}_path": f"{root}/{path}" for path in ("user", "vhost", "resource", "topic")}
        config = Config(
            port=0,
            auth_backends=("oauth2", "http"),
            auth_http_http_method=method,
            auth_oauth2_resource_server_id="rmq",
            auth_oauth2_jwks_uri=f"{root}/keys",
            **paths,  # type: ignore[arg-type]
        )
        with amqpy.run_in_thread(config) as broker:
            with connect(broker, "", good) as connection, pytest.raises(pika.exceptions.ConnectionClosedByBroker):
                connection.update_secret(bad, "why")
            for password in "pa&ss wörd", "se-cret", bad:
                with suppress(pika.exceptions.AMQPConnectionError):
                    connect(broker, "bob", password).close()
    told = [record for record in caplog.records if not record.name.startswith("pika")]
    text = "\n".join(logging.Formatter().format(record) for record in told)
    assert "login refused" in text
    assert not [secret for secret in secrets if secret in text]


def test_a_broker_with_a_key_that_is_not_there_does_not_start(tmp_path: Path) -> None:
    config = Config(
        port=0,
        auth_backends=("oauth2",),
        auth_oauth2_resource_server_id="rmq",
        auth_oauth2_signing_keys=(f"k={tmp_path / 'none'}",),
    )
    with pytest.raises(OSError, match="cannot read the key 'k' in"), amqpy.run_in_thread(config):
        pass
