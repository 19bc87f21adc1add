"""The core stands on floors: the contract in pyproject.toml names each of its modules."""

import ast
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "The core has floors: leaves, queues, exchanges, virtual hosts, operations"
PACKAGES = {"amqpy.core.events", "amqpy.core.exchanges", "amqpy.core.queues", "amqpy.core.streams"}
"""Those that are a floor as a whole."""


def modules_on_floors() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (each for each in settings["contracts"] if each["name"] == CONTRACT)
    return [module for floor in contract["layers"] for module in floor.split(" : ")]


def modules_of_the_core() -> set[str]:
    paths = (path.relative_to(ROOT) for path in (ROOT / "amqpy" / "core").rglob("*.py") if path.name != "__init__.py")
    names = {".".join(path.with_suffix("").parts) for path in paths}
    return {name for name in names if name.rsplit(".", 1)[0] not in PACKAGES} | PACKAGES


def test_every_module_of_the_core_is_on_one_floor() -> None:
    assert sorted(modules_on_floors()) == sorted(modules_of_the_core())


def test_typing_imports_count() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert "exclude_type_checking_imports" not in settings


def imports(path: Path, known: set[str]) -> set[str]:
    """The modules of the package that one imports, anywhere in it. Who takes a module out of a package imports both,
    and the package knows all that its `__init__` imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return names & known


def test_no_module_is_known_by_what_it_knows() -> None:
    paths = {}
    for path in (ROOT / "amqpy").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    known = {module: imports(path, set(paths)) - {module} for module, path in paths.items()}
    TopologicalSorter(known).prepare()  # raises CycleError, which names the circle
