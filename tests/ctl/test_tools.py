"""Commands, options, usage errors, definitions and plugins."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from amqpy.cli import main
from amqpy.config.rabbitmq_plugins import BUILT_IN
from amqpy.ctl import tools as all_tools
from amqpy.ctl.api import ApiError
from amqpy.ctl.options import FOREVER_S, Arity, Options
from tests.ctl.fake import NODE, FakeApi, Nowhere, Tools

ALL = "\n".join(f"  {name}" for name in BUILT_IN)

# --- usage


@pytest.mark.parametrize(
    ("line", "err"),
    [
        ("add_user", "not enough arguments."),
        ("add_user a b c", "too many arguments."),
        ("list_users extra", "too many arguments."),
        ("list_queues --nope", "Invalid options for this command:\n--nope : "),
        ("-t x list_queues", "Invalid options for this command:\n--timeout : 'x' is not a valid float range."),
        ("list_queues -t 0", "Invalid options for this command:\n--timeout : 0.0 is not in the range x>0."),
    ],
)
def test_a_bad_command_line(line: str, err: str, tools: Tools) -> None:
    said = tools.run(f"ctl {line}", FakeApi({}))
    assert (said.code, said.out) == (64, "")
    first, _, rest = said.err.partition("\nArguments given:\n")
    assert first == f"Error (argument validation): {err}"
    assert rest.startswith(f"\t{line}\n\n\x1b[1mUsage\x1b[0m\n\namqpy ctl ")


def test_usage_has_the_arguments_and_options(tools: Tools) -> None:
    said = tools.run("ctl add_user")
    usage = "amqpy ctl [--node <node>] [--quiet] add_user [--pre-hashed-password] <username> [<password>]"
    assert said.err.splitlines()[-1] == usage


def test_an_unknown_command(tools: Tools) -> None:
    said = tools.run("ctl nope")
    assert (said.code, said.out) == (64, "")
    assert said.err.startswith("\nCommand 'nope' not found. \n\nUsage: ")
    assert tools.run("ctl list_queue").err == "\nCommand 'list_queue' not found. \nDid you mean 'list_queues'? \n\n"


@pytest.mark.parametrize("tool", ["ctl", "diagnostics", "plugins"])
def test_no_command(tool: str, tools: Tools) -> None:
    said = tools.run(tool)
    assert (said.code, said.out) == (64, "")
    assert "list" in said.err


def test_help(tools: Tools) -> None:
    for line in ("ctl help add_user", "ctl add_user --help"):
        said = tools.run(line)
        assert (said.code, said.err) == (0, "")
        assert "add_user [OPTIONS] <username> [<password>]" in said.out
    assert "list_queues" in tools.run("ctl help").out
    assert tools.run("ctl help nope").code == 64


def test_every_command_has_help() -> None:
    for name in ("ctl", "diagnostics", "plugins"):
        tool = all_tools.COMMANDS[name]()
        assert isinstance(tool, click.Group)
        assert not [command.name for command in tool.commands.values() if not command.help]


class Refusing(FakeApi):
    """A broker that refuses everything."""

    def request(self, *request: object, **more: object) -> Any:  # noqa: ANN401 (any JSON)
        raise ApiError(401, "Not administrator user")


ARGUMENTS = {"<definition>": "{}", "<limits>": "{}", "<value>": "{}", "<file>": "/dev/null", "<type>": "all"}
WITHOUT_BROKER = {"eval", "hash_password", "help", "version", "wait"}
"""Commands that ask no broker; `wait` asks one if there is such a process."""


def line_of(tool: str, command: click.Command) -> list[str]:
    """A command line with as many arguments as it must have."""
    (argument, *_) = (each for each in command.params if isinstance(each, click.Argument))
    words = [word for word in str(argument.metavar or "").split() if word.startswith("<")]
    return [tool, str(command.name), *(ARGUMENTS.get(word, "1") for word in words)]


def lines_that_ask(*names: str) -> list[list[str]]:
    commands = [(name, command) for name in names for command in group(name).commands.values()]
    return [line_of(name, command) for name, command in commands if command.name not in WITHOUT_BROKER]


def group(name: str) -> click.Group:
    tool = all_tools.COMMANDS[name]()
    assert isinstance(tool, click.Group)
    return tool


@pytest.mark.parametrize("line", lines_that_ask("ctl", "diagnostics"), ids=" ".join)
def test_every_command_tells_what_is_refused(line: list[str], tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    said = tools.run([*line, "-n", NODE, "-t", "0.01"], Refusing({}))
    if said.code or said.err:
        assert said.code in {65, 69, 70}
        assert said.err.startswith(("Error:\n", "Error (argument validation): Bad argument: File"))
    else:  # there is nothing to ask for
        idle = {"force_gc", "list_unresponsive_queues", "post_upgrade", "revive"}
        assert line[1] in idle or line[1].startswith("await_online_")


@pytest.mark.parametrize("line", lines_that_ask("ctl", "diagnostics"), ids=" ".join)
def test_every_command_tells_that_nobody_is_there(line: list[str], tools: Tools) -> None:
    said = tools.run([*line, "-n", NODE, "-t", "0.01"], Nowhere())
    assert said.code in {69, 75}
    assert said.err


def test_what_means_nothing_here_is_no_error(tools: Tools) -> None:
    line = "ctl -l --erlang-cookie secret --print-stacktrace list_users -q"
    assert tools.run(line, FakeApi({"GET users": []})) == (0, "\n", "")


def test_an_option_behind_the_command_wins(tools: Tools) -> None:
    said = tools.run("ctl -p a list_queues -p b", FakeApi({"GET queues b": []}))
    assert said.lines[1] == "Listing queues for vhost b ..."


def test_usage_texts_count_arguments() -> None:
    assert Arity.of("") == Arity(0, 0)
    assert Arity.of("<a> <b>") == Arity(2, 2)
    assert Arity.of("<a> [<b>]") == Arity(1, 2)
    assert Arity.of("<a> [<b> ...]") == Arity(1, None)


def test_the_broker_fails(tools: Tools) -> None:
    said = tools.run("ctl list_users", FakeApi({"GET users": ApiError(500, "Internal Server Error")}))
    assert (said.code, said.err) == (70, "Error:\nInternal Server Error\n")


def test_they_are_commands_of_amqpy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQPY_CONTROL_SOCKET", "/nowhere.sock")
    assert main(["ctl", "list_users"]) == 69
    assert capsys.readouterr().out == ""
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for name in ("ctl", "diagnostics", "plugins", "serve", "shims", "status"):
        assert f"\n  {name} " in said


def test_a_broker_starts_without_them() -> None:
    assert "amqpy.ctl" not in (Path(main.__code__.co_filename).read_text().partition("from amqpy.ctl")[0])


# --- definitions


DEFINITIONS = {"vhosts": [{"name": "/"}], "users": []}


def test_imports_may_take_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Longer than other commands wait for an answer, unless somebody says how long."""
    (tmp_path / "d.json").write_text("{}")
    timeouts: list[float | None] = []

    def connect(options: Options) -> FakeApi:
        timeouts.append(options.timeout)
        return FakeApi({})

    for given, expected in ([], [None, FOREVER_S]), (["-t", "5"], [5]):
        line = ["import_definitions", str(tmp_path / "d.json"), *given]
        all_tools.COMMANDS["ctl"]().main(line, standalone_mode=False, obj=Options(connect=connect))
        assert timeouts == expected
        timeouts.clear()


def test_definitions_are_exported(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "defs.json"
    api = FakeApi({"GET definitions": DEFINITIONS})
    said = tools.run(["ctl", "export_definitions", str(file)], api)
    assert said == (0, f'Exporting definitions in JSON to a file at "{file}" ...\n', "")
    assert json.loads(file.read_text()) == DEFINITIONS
    assert file.stat().st_mode & 0o077 == 0, "hashes of passwords are in it"
    assert tools.run("ctl export_definitions -", api).out == '{"users":[],"vhosts":[{"name":"/"}]}\n'


def test_definitions_cannot_be_written(tools: Tools, tmp_path: Path) -> None:
    api = FakeApi({"GET definitions": DEFINITIONS})
    said = tools.run(["ctl", "export_definitions", str(tmp_path / "no" / "defs.json")], api)
    assert (said.code, said.out) == (65, "")
    missing = f"Bad argument: Directory {tmp_path}/no does not exist\n"
    assert said.err.startswith(f"Error (argument validation): {missing}")
    said = tools.run(["ctl", "export_definitions", str(tmp_path)], api)
    assert said.code == 65
    assert "could not write to" in said.err


IMPORTED = "Successfully started definition import. This process is asynchronous and can take some time.\n"


def test_definitions_are_imported(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "defs.json"
    file.write_text(json.dumps(DEFINITIONS))
    api = FakeApi({})
    said = tools.run(["ctl", "import_definitions", str(file)], api)
    assert said == (0, f'Importing definitions in JSON from a file at "{file}" ...\n{IMPORTED}', "")
    assert api.changes == [("POST", "definitions", file.read_bytes())]
    for line in ("ctl import_definitions", "ctl import_definitions -"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
        api = FakeApi({})
        assert tools.run(line, api).out == f"Importing definitions in JSON from standard input ...\n{IMPORTED}"
        assert api.changes == [("POST", "definitions", b"{}")]


def test_definitions_are_refused(tools: Tools, tmp_path: Path) -> None:
    said = tools.run(["ctl", "import_definitions", str(tmp_path / "no")], FakeApi({}))
    assert (said.code, said.out) == (65, "")
    assert said.err.startswith(f"Error (argument validation): Bad argument: File {tmp_path}/no does not exist\n")
    (tmp_path / "bad").write_text("{")
    said = tools.run(["ctl", "import_definitions", str(tmp_path / "bad")], FakeApi({}))
    assert said.code == 65
    assert said.err.startswith("Error:\nFailed to deserialise input (format: JSON) (error: Expecting ")
    (tmp_path / "bad").write_text("{}")
    api = FakeApi({"POST definitions": ApiError(400, ["no_such_vhost", "nope"])})
    said = tools.run(["ctl", "import_definitions", str(tmp_path / "bad")], api)
    assert (said.code, said.err) == (69, 'Error:\n{:no_such_vhost, "nope"}\n')


# --- plugins


def test_built_in_plugins_are_enabled(tools: Tools) -> None:
    for line in ("enable rabbitmq_management", "enable --offline rabbitmq_management", "set rabbitmq_management"):
        said = tools.run(f"plugins {line}", FakeApi({}))
        assert said == (
            0,
            f"Enabling plugins on node {NODE}:\nrabbitmq_management\nThe following plugins have been configured:\n"
            f"{ALL}\nApplying plugin configuration to {NODE}...\nPlugin configuration unchanged.\n",
            "",
        )
    said = tools.run("plugins enable --all", FakeApi({}))
    assert said.lines[:2] == [f"Enabling ALL plugins on node {NODE}", "The following plugins have been configured:"]


def test_plugins_are_enabled_without_a_broker(tools: Tools) -> None:
    assert tools.run("plugins enable --offline rabbitmq_management", Nowhere()).code == 0
    assert tools.run("plugins list", Nowhere()).code == 0


def test_other_plugins_are_not_there(tools: Tools) -> None:
    said = tools.run("plugins enable rabbitmq_management rabbitmq_nope", FakeApi({}))
    assert (said.code, said.err) == (70, "Error:\n{:plugins_not_found, [:rabbitmq_nope]}\n")
    assert tools.run("plugins disable rabbitmq_nope", FakeApi({})).code == 0
    assert tools.run("plugins enable", FakeApi({})).code == 64
    assert tools.run("plugins disable", FakeApi({})).code == 64


def test_plugins_are_switched_for_programs(tools: Tools) -> None:
    said = tools.run("plugins disable --all --offline --formatter json", FakeApi({}))
    assert json.loads(said.out) == {"mode": "offline", "set": list(BUILT_IN)}


def test_plugins_are_listed(tools: Tools) -> None:
    api = FakeApi({"GET overview": {"node": NODE, "rabbitmq_version": "3.10.8"}})
    width = len("rabbitmq_management_agent")
    rows = [f"[E*] {'rabbitmq_management':{width}} 3.10.8", "[e*] rabbitmq_management_agent 3.10.8"]
    said = tools.run("plugins list management", api)
    assert said.lines == [
        'Listing plugins with pattern "management" ...',
        " Configured: E = explicitly enabled; e = implicitly enabled",
        f" | Status: * = running on {NODE}",
        " |/",
        *rows,
    ]
    assert tools.run("plugins -q list management", api).lines == rows
    assert tools.run("plugins -q list -m management", api).lines == ["rabbitmq_management", "rabbitmq_management_agent"]
    assert tools.run("plugins -q list -m -E management", api).lines == ["rabbitmq_management"]
    said = tools.run(f"plugins list management -n {NODE}", Nowhere())
    assert said.lines[2] == f" | Status: [failed to contact {NODE} - status not shown]"
    assert said.lines[-1].startswith("[e ] ")
    told = json.loads(tools.run("plugins list --formatter json", api).out)
    assert told["plugins"][0]["running"] is True
    assert tools.run("plugins list (", api).code == 64


def test_plugins_may_be_enabled(tools: Tools) -> None:
    said = tools.run("plugins is_enabled rabbitmq_management", FakeApi({}))
    asking = f"Asking node {NODE} if plugin rabbitmq_management is enabled...\n"
    assert said == (0, f"{asking}Plugin rabbitmq_management is enabled on node {NODE}\n", "")
    said = tools.run("plugins -q is_enabled rabbitmq_management rabbitmq_sharding", FakeApi({}))
    assert said.out == f"Plugins rabbitmq_management, rabbitmq_sharding are enabled on node {NODE}\n"
    said = tools.run("plugins -q is_enabled rabbitmq_management rabbitmq_top", FakeApi({}))
    assert said.code == 69
    assert said.err.startswith(f"Error:\nPlugin rabbitmq_top is not enabled on node {NODE}. Enabled plugins and ")
