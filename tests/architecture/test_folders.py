"""Tests stand where a reader looks for them: tests/ has the folders of amqpy/."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What is tested that is no folder of amqpy/ or interop/: real clients at a real broker (the runner of interop/clients
# has its tests in tests/interop), a broken disk, the house rules.
OF_THEIR_OWN = {"clients", "interop", "faults", "architecture"}


def packages(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if any(path.glob("*.py"))}


def test_every_folder_of_the_package_has_tests() -> None:
    assert packages(ROOT / "amqpy") <= packages(ROOT / "tests")


def test_every_folder_of_tests_has_something_to_test() -> None:
    tested = packages(ROOT / "amqpy") | packages(ROOT / "interop") | OF_THEIR_OWN
    assert packages(ROOT / "tests") <= tested


def test_every_folder_of_tests_is_a_package() -> None:
    """Or two test files of the same name in different folders would be one module to pytest."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert not {folder for folder in folders if not (folder / "__init__.py").exists()}
