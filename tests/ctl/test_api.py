"""The way to a broker: URLs, control sockets, and what is said of one that is not there."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from amqpy.ctl.api import Api, ApiError, SocketAddress, UrlAddress, default_node, find_address
from amqpy.ctl.failures import Failure, Unreachable

Request = tuple[str, str, str | None, bytes]


class Answers(BaseHTTPRequestHandler):
    """Notes what it is asked, and answers what the server has."""

    protocol_version = "HTTP/1.1"
    server: "Web"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, self.headers.get("authorization"), body))
        status, content = self.server.answer
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_DELETE = answer

    def log_message(self, form: str, *arguments: object) -> None:
        pass


class Web(ThreadingHTTPServer):
    daemon_threads = True
    answer: tuple[int, bytes] = (200, b"[]")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[Request] = []


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def api(web: Web) -> Iterator[Api]:
    api = Api(UrlAddress(f"http://us%40er:pass%3Aword@127.0.0.1:{web.server_address[1]}/prefix/"))
    yield api
    api.close()


def test_parts_of_a_path_are_encoded(web: Web, api: Api) -> None:
    api.get("queues", "/", "a b/ü\udcff", page=1, sort_reverse=True)
    method, path, authorization, body = web.asked[0]
    assert (method, path) == ("GET", "/prefix/api/queues/%2F/a%20b%2F%C3%BC%FF?page=1&sort_reverse=true")
    assert authorization == "Basic dXNAZXI6cGFzczp3b3Jk"
    assert body == b""


def test_a_value_is_sent_as_json(web: Web, api: Api) -> None:
    web.answer = (204, b"")
    assert api.put("users", "u", body={"tags": []}) is None
    assert json.loads(web.asked[0][3]) == {"tags": []}


def test_a_refusal_has_its_reason(web: Web, api: Api) -> None:
    web.answer = (400, b'{"error":"bad_request","reason":["no_such_user","nope"]}')
    with pytest.raises(ApiError) as refused:
        api.get("users")
    assert (refused.value.status, refused.value.text, refused.value.error) == (
        400,
        '{:no_such_user, "nope"}',
        "bad_request",
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":1}'])
def test_a_refusal_may_be_without_reason(body: bytes, web: Web, api: Api) -> None:
    web.answer = (503, body)
    with pytest.raises(ApiError) as refused:
        api.get("users")
    assert refused.value.text == "Service Unavailable"


def test_nobody_answers() -> None:
    web = Web()
    web.server_close()
    api = Api(UrlAddress(f"127.0.0.1:{web.server_address[1]}"))
    with pytest.raises(Unreachable, match="Connection refused"):
        api.get("overview")


def test_the_default_user_is_guest() -> None:
    assert UrlAddress("localhost").headers == {"authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="}
    assert UrlAddress("localhost").text == "http://localhost:15672"
    assert UrlAddress("https://u:secret@host").text == "https://host:15671"
    assert UrlAddress("http://[::1]:1").text == "http://[::1]:1"


def test_no_password_is_told() -> None:
    assert "secret" not in UrlAddress("https://u:secret@host").text


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:x"])
def test_a_bad_url_is_a_bad_setting(url: str) -> None:
    with pytest.raises(Failure) as failed:
        find_address(url, None, {})
    assert failed.value.code == 78


# --- finding the broker


def test_a_url_may_be_in_a_variable() -> None:
    assert isinstance(find_address(None, None, {"AMQPY_URL": "http://host"}), UrlAddress)
    assert isinstance(find_address(None, "/a.sock", {"AMQPY_URL": "http://host"}), SocketAddress)


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"AMQPY_CONTROL_SOCKET": "/a/b.sock"}, "/a/b.sock"),
        ({"AMQPY_DATA_DIR": "/var/lib/amqpy"}, "/var/lib/amqpy/control.sock"),
        ({"AMQPY_DATA_DIR": "/d", "AMQPY_CONTROL_SOCKET": "/a"}, "/a"),
    ],
)
def test_the_settings_say_where_the_socket_is(variables: dict[str, str], path: str) -> None:
    assert find_address(None, None, variables).text == path


def test_without_a_data_directory_it_is_named_after_the_port(tmp_path: Path) -> None:
    (tmp_path / "amqpy").mkdir(mode=0o700)
    variables = {"XDG_RUNTIME_DIR": str(tmp_path), "AMQPY_PORT": "5673"}
    assert find_address(None, None, variables).text == str(tmp_path / "amqpy" / "5673.sock")


def test_a_directory_that_is_open_to_others_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "amqpy").mkdir(mode=0o700)
    (tmp_path / "amqpy").chmod(0o777)
    with pytest.raises(Unreachable, match="others may write to"):
        find_address(None, None, {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_there_may_be_no_socket() -> None:
    with pytest.raises(Unreachable, match="no control socket"):
        find_address(None, None, {"AMQPY_CONTROL_SOCKET": ""})


def test_bad_settings_are_told() -> None:
    with pytest.raises(Failure, match="AMQPY_PORT must be") as failed:
        find_address(None, None, {"AMQPY_PORT": "x"})
    assert failed.value.code == 78


def test_a_node_has_a_host() -> None:
    assert default_node({"RABBITMQ_NODENAME": "a@b"}) == "a@b"
    assert default_node({}, "c@d") == "c@d"
    assert default_node({}).startswith("rabbit@")
    assert default_node({}, "other").startswith("other@")
    assert "." not in default_node({})
