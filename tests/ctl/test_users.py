"""Users, as rabbitmqctl changes and lists them."""

import io
import json
import sys

import pytest

from amqpy.ctl.api import ApiError
from tests.ctl.fake import FakeApi, Tools

GRANT = (
    "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to "
    "learn more.\n"
)
ALICE = {
    "name": "alice",
    "password_hash": "aGFzaA==",
    "hashing_algorithm": "rabbit_password_hashing_sha512",
    "tags": ["management"],
    "limits": {},
}


def alice(**answers: object) -> FakeApi:
    return FakeApi({"GET users alice": ALICE, **answers})


def test_a_user_is_added(tools: Tools) -> None:
    api = FakeApi({})
    said = tools.run("ctl add_user alice secret", api)
    assert said == (0, f'Adding user "alice" ...\n{GRANT}', "")
    assert api.changes == [("PUT", "users/alice", {"password": "secret", "tags": []})]


def test_quiet_says_nothing(tools: Tools) -> None:
    for option in ("-q", "--quiet", "-s", "--silent"):
        assert tools.run(f"ctl {option} add_user alice secret") == (0, "", "")
        assert tools.run(f"ctl add_user alice secret {option}") == (0, "", "")


def test_a_user_that_is_there_is_not_replaced(tools: Tools) -> None:
    api = alice()
    said = tools.run("ctl add_user alice secret", api)
    assert said == (70, 'Adding user "alice" ...\n', 'Error:\nUser "alice" already exists\n')
    assert not api.changes


def test_a_hash_is_not_a_password(tools: Tools) -> None:
    api = FakeApi({})
    tools.run("ctl add_user alice aGFzaA== --pre-hashed-password", api)
    assert api.changes == [("PUT", "users/alice", {"password_hash": "aGFzaA==", "tags": []})]


def test_a_password_is_read_from_standard_input(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi({})
    monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe\n"))
    said = tools.run("ctl add_user alice", api)
    assert said.out == f'Adding user "alice" ...\nPassword: \n{GRANT}'
    assert api.changes == [("PUT", "users/alice", {"password": "from a pipe", "tags": []})]


@pytest.mark.parametrize("line", ["delete_user alice", "change_password alice x", "set_user_tags alice x"])
def test_a_user_must_exist(line: str, tools: Tools) -> None:
    api = FakeApi({})
    code, _, err = tools.run(f"ctl {line}", api)
    assert (code, err) == (67, 'Error:\nUser "alice" does not exist\n')
    assert not api.changes


@pytest.mark.parametrize(
    "line",
    [
        "clear_password alice",
        'set_user_limits alice {"max-channels":1}',
        "clear_user_limits alice all",
        "list_user_limits --user alice",
    ],
)
def test_some_commands_say_so_in_erlang(line: str, tools: Tools) -> None:
    api = FakeApi({})
    code, _, err = tools.run(f"ctl {line}", api)
    assert (code, err) == (69, 'Error:\n{:no_such_user, "alice"}\n')
    assert not api.changes


def test_tags_are_changed_and_the_password_stays(tools: Tools) -> None:
    api = alice()
    said = tools.run("ctl set_user_tags alice administrator monitoring", api)
    assert said == (0, 'Setting tags for user "alice" to [administrator, monitoring] ...\n', "")
    kept = {"password_hash": "aGFzaA==", "hashing_algorithm": "rabbit_password_hashing_sha512"}
    assert api.changes == [("PUT", "users/alice", {**kept, "tags": ["administrator", "monitoring"]})]


def test_a_password_is_changed_and_the_tags_stay(tools: Tools) -> None:
    api = alice()
    said = tools.run("ctl change_password alice new", api)
    assert said == (0, 'Changing password for user "alice" ...\n', "")
    assert api.changes == [("PUT", "users/alice", {"password": "new", "tags": ["management"]})]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"name": "alice"}, 0),
        # The password is right, and the user may not use the API.
        (ApiError(401, "Not management user", {"error": "not_authorised"}), 0),
        (ApiError(401, "Login failed", {"error": "not_authorized"}), 65),
    ],
)
def test_a_password_is_tried(answer: object, code: int, tools: Tools) -> None:
    api = FakeApi({"GET whoami": answer})
    said = tools.run("ctl authenticate_user alice secret", api)
    assert api.asked == [("GET", "whoami", {"authorization": "Basic YWxpY2U6c2VjcmV0"})]
    if code == 0:
        assert said == (0, 'Authenticating user "alice" ...\nSuccess\n', "")
    else:
        failed = "Error:\nError: failed to authenticate user \"alice\"\nuser 'alice' - invalid credentials\n"
        assert said == (code, 'Authenticating user "alice" ...\n', failed)


def test_users_are_listed(tools: Tools) -> None:
    api = FakeApi({"GET users": [ALICE, {**ALICE, "name": "bob", "tags": ["administrator", "b"]}]})
    rows = "alice\t[management]\nbob\t[administrator, b]\n"
    assert tools.run("ctl list_users", api).out == f"Listing users ...\nuser\ttags\n{rows}"
    assert tools.run("ctl -q list_users", api).out == f"user\ttags\n{rows}"
    assert tools.run("ctl -s list_users", api).out == rows
    assert tools.run("ctl -q list_users --no-table-headers", api).out == rows


def test_users_are_listed_for_programs(tools: Tools) -> None:
    api = FakeApi({"GET users": [{**ALICE, "name": "guest", "tags": ["administrator"]}, {**ALICE, "tags": []}]})
    rows = '{"user":"guest","tags":["administrator"]}\n,{"user":"alice","tags":[]}'
    assert tools.run("ctl list_users --formatter json", api).out == f"[\n{rows}\n]\n"
    said = tools.run("ctl list_users --formatter csv", api)
    assert said.out == '"user","tags"\n"guest","[administrator]"\n"alice","[]"\n'
    said = tools.run("ctl -q list_users --formatter erlang", api)
    assert said.out == '[[{user,<<"guest">>},{tags,[administrator]}],\n [{user,<<"alice">>},{tags,[]}]]\n'


def test_the_hash_of_a_password_has_a_salt(tools: Tools) -> None:
    said = {tools.run("ctl hash_password secret").out for _ in range(3)}
    assert len(said) == 3
    assert {len(each.strip()) for each in said} == {48}


def test_a_limit_is_set(tools: Tools) -> None:
    api = alice()
    said = tools.run(["ctl", "set_user_limits", "alice", '{"max-connections": 5}'], api)
    assert said == (0, 'Setting user limits to "{"max-connections": 5}" for user "alice" ...\n', "")
    assert api.changes == [("PUT", "user-limits/alice/max-connections", {"value": 5})]


def test_limits_are_an_object(tools: Tools) -> None:
    for text in ("5", "x", '"a"'):
        api = alice()
        assert tools.run(["ctl", "set_user_limits", "alice", text], api).code == 69
        assert not api.changes


def test_limits_are_listed(tools: Tools) -> None:
    limited = {**ALICE, "limits": {"max-connections": 5}}
    api = alice(**{"GET users alice": limited, "GET users guest": {**ALICE, "name": "guest"}})
    api.answers["GET user-limits"] = [{"user": "alice", "value": {"max-connections": 5}}]
    assert tools.run("ctl list_user_limits", api).out == 'Listing limits for user "guest" ...\n{}\n'
    said = tools.run("ctl list_user_limits --user alice", api)
    assert said.out == 'Listing limits for user "alice" ...\n{"max-connections":5}\n'
    said = tools.run("ctl list_user_limits --user alice --formatter json", api)
    assert said.out == '{"message":"{\\"max-connections\\":5}"}\n'
    said = tools.run("ctl list_user_limits --global", api)
    assert said.out == 'Listing limits for all users ...\nuser\tlimits\nalice\t{"max-connections":5}\n'


def test_limits_are_cleared(tools: Tools) -> None:
    for limit, what in ("all", "all limits"), ("max-channels", '"max-channels" limit'):
        api = alice()
        assert tools.run(f"ctl clear_user_limits alice {limit}", api).out == f'Clearing {what} for user "alice" ...\n'
        assert api.changes == [("DELETE", f"user-limits/alice/{limit}", {})]


def test_an_empty_password_is_none(tools: Tools) -> None:
    api = FakeApi({})
    assert tools.run(["ctl", "add_user", "frank", ""], api).code == 0
    assert api.changes == [("PUT", "users/frank", {"password": "", "tags": []})]


def test_advice_for_programs(tools: Tools) -> None:
    said = tools.run("ctl add_user alice secret --formatter json", FakeApi({}))
    assert json.loads(said.out) == {"message": GRANT.strip(), "node": "rabbit@test", "status": "ok"}


def test_other_refusals_are_told(tools: Tools) -> None:
    for line in ("add_user alice x", "delete_user alice", "list_users"):
        refused = ApiError(401, "Not administrator user")
        api = FakeApi({"GET users alice": refused, "GET users": refused})
        said = tools.run(f"ctl {line}", api)
        assert (said.code, said.err) == (69, "Error:\nNot administrator user\n")
