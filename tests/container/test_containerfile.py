"""The Containerfile: as interop.container reads it, and what the variables of the image make of the settings."""

from pathlib import Path

import pytest

from amqpy.config.sources import read
from interop.container import context
from interop.container.containerfile import Stage, Step, stages_of, steps_of, with_values

TEXT = (context.ROOT / "Containerfile").read_text()


@pytest.fixture
def image() -> Stage:
    return stages_of(TEXT, {"BASE": "a-base"})[-1]


def test_steps_go_over_lines() -> None:
    text = "# a\nFROM base AS build\n\nRUN a \\\n    # b\n    && c\nCOPY --from=x a b /to\n"
    assert list(steps_of(text)) == [
        Step("FROM", "base AS build"),
        Step("RUN", "a      && c"),
        Step("COPY", "--from=x a b /to"),
    ]


def test_steps_have_options_and_arguments() -> None:
    step = Step("COPY", "--from=x --chown=y:z a b /to")
    assert (step.options, step.arguments) == ({"from": "x", "chown": "y:z"}, ["a", "b", "/to"])
    assert Step("CMD", '["a", "b c"]').arguments == ["a", "b c"]
    assert Step("HEALTHCHECK", '--interval=1s CMD ["a", "-q"]').arguments == ["a", "-q"]
    assert Step("ENV", "A=1 B=x=y").pairs == {"A": "1", "B": "x=y"}


def test_arguments_before_a_stage_choose_its_base() -> None:
    text = "ARG A=one\nARG B=two\nFROM $A AS first\nARG A=x\nFROM ${B}:1\n"
    assert [(stage.base, stage.name) for stage in stages_of(text, {"B": "given"})] == [
        ("one", "first"),
        ("given:1", ""),
    ]
    assert with_values("$A-${B}-$C", {"A": "1", "B": "2"}) == "1-2-"


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="the instruction ONBUILD is not known here"):
        list(steps_of("FROM a\nONBUILD RUN b"))


def test_both_stages_have_the_same_base() -> None:
    assert [stage.base for stage in stages_of(TEXT, {})] == ["docker.io/library/debian:trixie-slim"] * 2


def test_the_image_is_as_rabbitmqs(image: Stage) -> None:
    assert image.only("VOLUME").arguments == ["/var/lib/rabbitmq"]
    assert {"5671", "5672", "15671", "15672", "15692"} <= set(image.only("EXPOSE").arguments)
    assert image.only("CMD").arguments == ["rabbitmq-server"]
    assert image.only("HEALTHCHECK").arguments == ["rabbitmq-diagnostics", "-q", "ping"]
    assert image.only("USER").arguments == ["rabbitmq"]


def test_its_variables_are_settings(image: Stage, tmp_path: Path) -> None:
    """The files are elsewhere here, or this machine's RabbitMQ would be read."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10-defaults.conf").write_text((context.ROOT / "packaging/10-defaults.conf").read_text())
    environ = {name: value.replace("/etc/rabbitmq", str(tmp_path)) for name, value in image.variables().items()}
    settings = read(environ=environ)
    config = settings.config
    assert settings.notes == [], "no variable is without a meaning"
    assert (config.host, config.management_host, config.prometheus_host) == ("0.0.0.0",) * 3
    assert config.loopback_users == ()
    assert config.data_dir == "/var/lib/rabbitmq/mnesia/amqpy"
    given = {"RABBITMQ_NODE_PORT": "1", "RABBITMQ_DEFAULT_USER": "u", "RABBITMQ_DEFAULT_VHOST": "v"}
    config = read(environ=environ | given).config
    assert (config.port, config.default_user, config.default_vhost) == (1, "u", "v")
    (tmp_path / "advanced.config").write_text("[].")
    with pytest.raises(ValueError, match="has Erlang terms"):
        read(environ=environ)


def test_what_it_is_built_from_is_there() -> None:
    allowed = [line[1:] for line in (context.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [name for step in steps_of(TEXT) if step.name == "COPY" for name in step.arguments[:-1]]
    assert {name for name in copied if name.startswith("packaging/")} <= set(allowed)
    assert [name for name in allowed if name != "wheels" and not (context.ROOT / name).exists()] == []


def test_the_packages_are_those_of_the_project() -> None:
    names = {each.split(">")[0].split("[")[0].split("<")[0] for each in context.requirements()}
    assert {"trio", "click", "hypercorn", "cryptography", "rich", "hatchling"} <= names
