"""The hostile clients of the management API: a seed says which they are, and they find a broker that answers badly."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from random import Random
from threading import Thread

import pytest

from interop.fuzz_http import RESOURCES, Found, Visit, made_path, visit, visits


def test_a_seed_says_which() -> None:
    first, again, other = (list(islice(visits(seed), 20)) for seed in (3, 3, 4))
    assert first == again != other


def test_all_there_is_is_asked_for() -> None:
    random = Random(1)
    said = "".join(made_path(random) for _ in range(5000))
    parts = {part for resource in RESOURCES for part in resource.template.split("/") if part and "{" not in part}
    assert {part for part in parts if f"/{part}" in said} == parts
    assert {each.end for each in islice(visits(1), 60)} == {"reads", "shuts", "leaves", "resets"}


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of a server that answers one connection, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.recv(65536)
                client.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


GET = Visit([b"GET / HTTP/1.1\r\n\r\n"], [0.0], "reads")


def test_statuses_are_counted() -> None:
    with answering(b"HTTP/1.1 204 \r\n\r\nHTTP/1.1 404 \r\n\r\nHTTP/1.1 501 \r\n\r\n") as port:
        assert visit(port, GET) == {"204": 1, "404": 1, "501": 1}


def test_an_internal_error_is_found() -> None:
    with answering(b"HTTP/1.1 500 \r\n\r\n") as port, pytest.raises(Found, match="500 to b'GET / HTTP"):
        visit(port, GET)
