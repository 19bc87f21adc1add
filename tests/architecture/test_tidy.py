"""House rules that no linter knows, held over every Python file of the project.

The rules for imports between layers are import-linter's, in pyproject.toml.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("amqpy", "interop", "tests", "scripts")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
# Spelt apart, so that this file obeys its own rule.
UNFINISHED = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\b")
# Names that say nothing about what is inside.
EMPTY_NAMES = re.compile(r"(^|_)(utils?|manager|common|misc|stuff)(_|$)")
# A docstring says what something does or is; one that opens like this paraphrases it.
INDIRECT = re.compile(r"(How|Nobody|Somebody|Wh(at|en|ere|ether|ich|oever|om|ose|o|y))\b")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_rules_look_at_something() -> None:
    assert {named(path).partition("/")[0] for path in FILES} == set(FOLDERS)


def test_files_are_short() -> None:
    lines = {named(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert not {name: count for name, count in lines.items() if count > FILE_LINES_MAX}


def test_functions_are_short() -> None:
    lines = {
        f"{named(path)}:{each.lineno}": (each.end_lineno or 0) - each.lineno + 1
        for path in FILES
        for each in functions(path)
    }
    assert not {name: count for name, count in lines.items() if count > FUNCTION_LINES_MAX}


def test_files_open_with_their_theory() -> None:
    trees = {named(path): ast.parse(path.read_text("utf-8")) for path in FILES}
    assert not [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)]


def test_nothing_is_marked_unfinished() -> None:
    assert not [named(path) for path in FILES if UNFINISHED.search(path.read_text("utf-8"))]


def test_names_say_what_is_inside() -> None:
    assert not [named(path) for path in FILES if EMPTY_NAMES.search(path.stem)]


def test_docstrings_say_what_something_does() -> None:
    """Those of modules, classes and functions, and the strings behind constants and attributes."""
    assert not [
        f"{named(path)}:{node.lineno}"
        for path in FILES
        if path.is_relative_to(ROOT / "amqpy")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if INDIRECT.match(str(node.value.value).lstrip())
    ]


def test_tests_do_not_sleep_for_real() -> None:
    """A test waits for what it waits for, with a deadline; only a mocked clock may be slept on."""
    assert not [
        f"{named(path)}:{node.lineno}"
        for path in FILES
        if path.is_relative_to(ROOT / "tests")
        for function in functions(path)
        if not {"autojump_clock", "mock_clock"} & {each.arg for each in function.args.args}
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and is_sleep(node)
    ]


def is_sleep(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    literal = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else 0
    return name == "sleep" and literal != 0
