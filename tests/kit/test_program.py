"""Child processes, and what is made of their logs and their ends."""

import sys
from pathlib import Path

import pytest

from interop.kit.brokers import Amqpy, ended
from interop.kit.program import Program, ProgramFailed

TIMEOUT_S = 20
FOREVER = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
exit(7)
"""


def python(log: Path, text: str) -> Program:
    return Program([sys.executable, "-c", text], log)


def test_a_line_is_waited_for_and_the_exit_code_told(tmp_path: Path) -> None:
    program = python(tmp_path / "log", FOREVER)
    assert program.wait_for_line("re(.*)", TIMEOUT_S)[1] == "ady"
    assert program.is_running
    assert program.stop() == 7
    assert not program.is_running


def test_who_ends_before_the_line_comes_has_failed(tmp_path: Path) -> None:
    program = python(tmp_path / "log", "print('not what was waited for'); exit(3)")
    with pytest.raises(ProgramFailed, match=r"code 3(.|\n)*not what was waited for"):
        program.wait_for_line("ready", TIMEOUT_S)
    assert program.kill() == 3


def test_who_does_not_end_is_killed(tmp_path: Path) -> None:
    program = python(tmp_path / "log", "import signal; print('ready', flush=True); signal.pause()")
    program.wait_for_line("ready", TIMEOUT_S)
    with pytest.raises(ProgramFailed, match="did not end"):
        program.wait(0.01)
    assert program.process.returncode == -9


def test_a_log_has_the_lines_of_all_programs_and_each_program_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = python(log, "print('one'); print('two')")
    assert first.wait() == 0
    second = python(log, "print('three'); print('half a line', end='')")
    assert second.wait() == 0
    assert second.lines == ["three"]
    assert log.read_text() == "one\ntwo\nthree\nhalf a line"


def test_a_program_that_talks_answers_line_by_line(tmp_path: Path) -> None:
    echo = "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
    program = Program([sys.executable, "-c", echo], tmp_path / "log", talks=True)
    assert [program.ask("abc"), program.ask("Zoë")] == ["cba", "ëoZ"]
    program.kill()


def test_who_has_ended_answers_nothing(tmp_path: Path) -> None:
    program = Program([sys.executable, "-c", "exit('no more')"], tmp_path / "log", talks=True)
    with pytest.raises(ProgramFailed, match=r"has ended(.|\n)*no more"):
        program.ask("abc")
    with pytest.raises(ProgramFailed, match="has ended"):  # when it is known already
        program.ask("abc")
    program.kill()


class Faulty(Amqpy):
    module = ("tests.kit.faulty",)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_bug_in_the_log_is_no_good_end(tmp_path: Path, how: str) -> None:
    with ended(Faulty(tmp_path, ("bug",))) as broker:
        broker.start()
        assert broker.port == 5
        with pytest.raises(ProgramFailed, match=r"speaks of a bug(.|\n)*Traceback"):
            getattr(broker, how)()


def test_a_feature_that_is_denied_is_no_bug(tmp_path: Path) -> None:
    with ended(Faulty(tmp_path, ("denied",))) as broker:
        broker.start()
        broker.stop()


def test_an_exit_code_is_no_good_end(tmp_path: Path) -> None:
    with ended(Faulty(tmp_path, ("code",))) as broker:
        broker.start()
        with pytest.raises(ProgramFailed, match="stopped with code 9"):
            broker.stop()


def test_who_is_to_be_killed_must_live_until_then(tmp_path: Path) -> None:
    with ended(Faulty(tmp_path, ("end",))) as broker:
        broker.start()
        broker.program.process.wait(TIMEOUT_S)
        with pytest.raises(ProgramFailed, match="had ended by itself, with code 0"):
            broker.kill()


def test_an_end_that_is_waited_for(tmp_path: Path) -> None:
    with ended(Faulty(tmp_path, ("fail",))) as broker:
        broker.launch()
        assert broker.wait_for_failure()[-1] == "Server startup complete"
