"""Completion: what a shell is told of the commands and options of amqpy, and of the programs of RabbitMQ's names."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from amqpy.cli import cli, main
from amqpy.ctl.completion import complete
from amqpy.ctl.shims import TOOLS, variable_of
from amqpy.ctl.tools import COMMANDS
from tests.serving import COMMAND, DEADLINE_S, environment

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the programs of RabbitMQ's names, and with `amqpy`."""
    directory = tmp_path_factory.mktemp("bin")
    assert main(["shims", str(directory)]) == 0
    amqpy = directory / "amqpy"
    amqpy.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    amqpy.chmod(0o755)
    return directory


def run(directory: Path, program: str, **variables: str) -> str:
    done = subprocess.run(
        [directory / program],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.stderr == ""
    return done.stdout


def question(line: str, shell: str) -> dict[str, str]:
    """The variables in which a shell asks what may take the place of the last word of a line."""
    words = line.split(" ")
    last = words[-1] if shell == "fish" else str(len(words) - 1)
    return {"COMP_WORDS": line, "COMP_CWORD": last, variable_of(words[0]): f"{shell}_complete"}


def words_of(answer: str, shell: str = "bash") -> list[str]:
    if shell == "zsh":  # a kind, a word, and what is said about it, each on a line
        return answer.splitlines()[1::3]
    return [each.partition(",")[2].partition("\t")[0] for each in answer.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("amqpy s", ["serve", "shims", "status", "store"]),
        ("amqpy ctl list_vh", ["list_vhost_limits", "list_vhosts"]),
        ("amqpy store co", ["compact"]),
        ("amqpy serve --data", ["--data-dir"]),
        ("amqpy top --sort me", ["messages", "memory"]),
        ("rabbitmqctl list_vh", ["list_vhost_limits", "list_vhosts"]),
        ("rabbitmqctl -p / list_queues --form", ["--formatter"]),
        ("rabbitmq-diagnostics check_p", ["check_port_connectivity", "check_port_listener", "check_protocol_listener"]),
        ("rabbitmq-plugins is", ["is_enabled"]),
    ],
)
def test_commands_and_options_are_offered(
    shell: str, line: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in question(line, shell).items():
        monkeypatch.setenv(name, value)
    program = line.split()[0]
    with pytest.raises(SystemExit):
        main([]) if program == "amqpy" else complete(program)
    assert words_of(capsys.readouterr().out, shell) == words


@pytest.mark.parametrize("tool", TOOLS)
def test_each_program_offers_the_commands_of_its_tool(tool: str, programs: Path) -> None:
    commands = getattr(COMMANDS[TOOLS[tool]](), "commands", None)
    assert commands
    assert sorted(words_of(run(programs, tool, **question(f"{tool} ", "bash")))) == sorted(commands)


def test_amqpy_offers_all_its_commands(programs: Path) -> None:
    assert words_of(run(programs, "amqpy", **question("amqpy ", "bash"))) == sorted([*cli.commands, *COMMANDS])


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", ["amqpy", "rabbitmq-diagnostics"])
def test_a_shell_is_told_to_ask(shell: str, program: str, programs: Path) -> None:
    script = run(programs, program, **{variable_of(program): f"{shell}_source"})
    assert f"{variable_of(program)}={shell}_complete" in script
    assert script.rstrip().endswith((f"{program};", "_setup;", '_completion)";', f"{program})", "fi"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("line", ["rabbitmqctl list_vhost_", "amqpy ctl list_vhost_"])
def test_bash_completes(line: str, programs: Path) -> None:
    """A bash that reads the line of the documentation, and is asked to complete a line."""
    program, *_ = words = line.split()
    script = f"""
        eval "$({variable_of(program)}=bash_source {program})" || exit 1
        COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
        $(complete -p {program} | sed 's/.*-F \\([^ ]*\\) .*/\\1/') {program}
        echo "${{COMPREPLY[@]}}"
    """
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "--norc", "-c", script]
    done = subprocess.run(
        command, env=environment(PATH=path), capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    assert (done.stdout, done.stderr) == ("list_vhost_limits\n", "")


def test_the_documentation_has_the_variables() -> None:
    page = Path(__file__).parents[2] / "docs" / "command-line.md"
    text = page.read_text()
    assert all(f"_AMQPY_COMPLETE={shell}_source" in text for shell in SHELLS)
    assert all(variable_of(tool) in text for tool in ("rabbitmqctl", "rabbitmq-diagnostics"))
