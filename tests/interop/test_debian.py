"""RabbitMQs of other releases of Debian, without a network: what is downloaded is made up here."""

import gzip
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from interop import debian, rabbitmq
from interop.debian import DebianUnavailable


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As root, on Debian, with nothing in the cache yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    return tmp_path / "amqpy"


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The releases that are asked for; a package makes a directory."""
    releases: list[str] = []

    def download(release: str, folder: Path, packages: list[str]) -> list[Path]:
        releases.append(release)
        return [folder / "one.deb"]

    monkeypatch.setattr(debian, "download", download)
    monkeypatch.setattr(debian, "unpack", lambda packages, root: root.mkdir())
    return releases


def test_a_root_is_downloaded_once(downloads: list[str], cache: Path) -> None:
    assert debian.root_with("4.0") == debian.root_with("4.0") == cache / "rabbitmq-4.0"
    assert downloads == ["trixie"]
    assert [each.name for each in cache.iterdir()] == ["rabbitmq-4.0"]


def test_what_cannot_be_unpacked_leaves_nothing(
    downloads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "run", lambda *command: (_ for _ in ()).throw(DebianUnavailable("broken")))
    monkeypatch.setattr(debian, "unpack", lambda packages, root: root.mkdir() or debian.run("dpkg-deb"))
    with pytest.raises(DebianUnavailable, match="broken"):
        debian.root_with("4.0")
    assert list(cache.iterdir()) == []


def test_another_run_may_be_faster(downloads: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(packages: list[Path], root: Path) -> None:
        root.mkdir()
        (cache / "rabbitmq-4.3" / "in use").mkdir(parents=True)

    monkeypatch.setattr(debian, "unpack", unpack)
    assert (debian.root_with("4.3") / "in use").exists()


def test_a_tool_is_of_the_newest_release(downloads: list[str], cache: Path) -> None:
    assert debian.root_with_tool("some-tool") == cache / "some-tool"
    assert downloads == ["sid"]


def test_a_tool_takes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(DebianUnavailable, match=r"^some-tool needs root$"):
        debian.root_with_tool("some-tool")


def test_a_version_is_that_of_the_changelog(tmp_path: Path) -> None:
    documents = tmp_path / "usr/share/doc/some-tool"
    documents.mkdir(parents=True)
    with gzip.open(documents / "changelog.Debian.gz", "wt") as changelog:
        changelog.write("some-tool (2.29.0-2) unstable; urgency=medium\n\n  * New.\n")
    assert debian.version_of("some-tool", tmp_path) == "2.29.0-2"


def test_an_unknown_version_says_which_there_are() -> None:
    with pytest.raises(DebianUnavailable, match=r"no RabbitMQ 2\.8 is known, only 3\.10, 4\.0, 4\.3"):
        debian.root_with("2.8")


def test_it_takes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(DebianUnavailable, match=r"^RabbitMQ 4\.0 needs root, as it is not installed$"):
        debian.root_with("4.0")


def test_it_takes_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "apt-get" else program)
    with pytest.raises(DebianUnavailable, match=r"^RabbitMQ 4\.0 needs apt-get, as it is not installed$"):
        debian.root_with("4.0")


def test_the_mirror_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = (
        "https://security.example/debian-security/\nhttps://mirror.example/debian\nhttps://other.example/debian/"
    )
    monkeypatch.setattr(debian, "run", lambda *command: addresses)
    assert debian.mirror() == "https://mirror.example/debian"
    monkeypatch.setattr(debian, "run", lambda *command: "https://elsewhere.example/ubuntu/")
    with pytest.raises(DebianUnavailable, match="no mirror"):
        debian.mirror()


def test_what_fails_is_told() -> None:
    with pytest.raises(DebianUnavailable, match=r"^ls --no-such-option failed:\n"):
        debian.run("ls", "--no-such-option")


# --- which RabbitMQ is taken


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """RabbitMQ 3.10.8, as Debian installs it: a link in a directory without a version to one with it."""
    script = tmp_path / "lib" / "rabbitmq_server-3.10.8" / "sbin" / "rabbitmq-server"
    script.parent.mkdir(parents=True)
    script.touch()
    link = tmp_path / "bin" / "rabbitmq-server"
    link.parent.mkdir()
    link.symlink_to(script)
    monkeypatch.setattr(rabbitmq, "SERVER_SCRIPT", link)


@pytest.mark.parametrize("version", [None, "3.10", "3.10.8", "3"])
def test_the_installed_one_is_taken_if_it_fits(installed: None, downloads: list[str], version: str | None) -> None:
    assert rabbitmq.root_of(version) is None
    assert downloads == []


@pytest.mark.parametrize("version", ["4.0", "4.3"])
def test_any_other_is_downloaded(installed: None, downloads: list[str], cache: Path, version: str) -> None:
    assert rabbitmq.root_of(version) == cache / f"rabbitmq-{version}"
    assert downloads == [debian.RELEASES[version]]


def test_a_prefix_of_a_number_is_no_version(installed: None) -> None:
    with pytest.raises(rabbitmq.RabbitMQUnavailable, match=r"no RabbitMQ 3\.1 is known"):
        rabbitmq.root_of("3.1")


def test_programs_of_another_one_run_in_its_root() -> None:
    node = rabbitmq.Node(Path("/roots/4.0"), Path("/data"), 1, 2, 3, None, "name@localhost")
    temporary = tempfile.gettempdir()
    assert node.command("rabbitmqctl", "status")[-4:] == ["/roots/4.0", temporary, "rabbitmqctl", "status"]
    assert node.environment["RABBITMQ_MNESIA_BASE"] == "/data/mnesia"
    assert node.environment["PATH"] == debian.PATH
    own = rabbitmq.Node(None, Path("/data"), 1, 2, 3, None, "name@localhost")
    assert own.command("rabbitmqctl", "status") == ["rabbitmqctl", "status"]
    assert own.environment["RABBITMQ_MNESIA_BASE"] == "/data/mnesia"
