"""Where settings come from, which of them wins, and how a wrong one is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amqpy.amqp.sasl import MECHANISMS
from amqpy.config import SETTINGS, Config
from amqpy.config.sources import load, unknown_variables
from amqpy.config.values import ConfigError, TcpAddress, TlsAddress, UnixAddress, parse_address, setting_info

# One text and its value for every kind of setting, none of them a default.
OTHERS: dict[object, tuple[str, object]] = {
    bool: ("on", True),
    bool | None: ("on", True),
    int: ("5000", 5000),
    int | None: ("5000", 5000),
    str: ("other", "other"),
    str | None: ("other", "other"),
    tuple[str, ...]: ("one, two", ("one", "two")),
}
WEB = "https://localhost/auth"
# The settings that do not take any value of their kind.
PARTICULAR: dict[str, tuple[str, object]] = {
    "sync": ("os", "os"),
    "default_queue_type": ("quorum", "quorum"),
    "password_hashing": ("sha512", "sha512"),
    "credential_validator": ("min_password_length", "min_password_length"),
    "profile": ("rabbitmq-4", "rabbitmq-4"),
    "listen": ("127.0.0.1:1,[::1]:2,amqps://host", ("127.0.0.1:1", "[::1]:2", "amqps://host")),
    "tls_verify": ("verify_peer", "verify_peer"),
    "tls_versions": ("tlsv1.3", ("tlsv1.3",)),
    "ssl_cert_login_from": ("common_name", "common_name"),
    "ssl_cert_login_san_type": ("email", "email"),
    "log_level": ("error", "error"),
    "log_format": ("json", "json"),
    "proxy_trusted": ("192.0.2.0/24,::1", ("192.0.2.0/24", "::1")),
    "auth_mechanisms": ("AMQPLAIN", ("AMQPLAIN",)),
    "memory_high_watermark": ("40%", "40%"),
    "total_memory_available_override_value": ("2GiB", "2GiB"),
    "disk_free_limit": ("2GiB", "2GiB"),
    "auth_backends": ("cache,internal/internal", ("cache", "internal/internal")),
    "auth_http_http_method": ("post", "post"),
    **{f"auth_http_{path}_path": (WEB, WEB) for path in ("user", "vhost", "resource", "topic")},
    "auth_cache_cached_backend": ("http/internal", "http/internal"),
    "auth_oauth2_issuer": (WEB, WEB),
    "auth_oauth2_jwks_uri": (WEB, WEB),
    "auth_oauth2_signing_keys": ("a=b", ("a=b",)),
    "auth_oauth2_algorithms": ("RS256, ES256", ("RS256", "ES256")),
    "auth_oauth2_scope_aliases": ("a=b c", ("a=b c",)),
    "auth_oauth2_leeway_s": ("30", 30),
    "management_listen": ("127.0.0.1:1,https://[::1]:2", ("127.0.0.1:1", "https://[::1]:2")),
    "stream_listen": ("127.0.0.1:1,amqps://[::1]:2", ("127.0.0.1:1", "amqps://[::1]:2")),
    "stream_frame_max": ("8192", 8192),
    "management_rates_mode": ("none", "none"),
    "prometheus_listen": ("127.0.0.1:1,https://[::1]:2", ("127.0.0.1:1", "https://[::1]:2")),
    **{f"{plugin}_tls_verify": ("verify_peer", "verify_peer") for plugin in ("management", "prometheus")},
    **{f"{plugin}_tls_versions": ("tlsv1.3", ("tlsv1.3",)) for plugin in ("management", "prometheus")},
}


def other(name: str) -> tuple[str, Any]:
    return PARTICULAR.get(name) or OTHERS[SETTINGS[name].type]


def toml(directory: Path, text: str) -> Path:
    path = directory / "broker.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] = (),
) -> str:
    with pytest.raises(ConfigError) as refused:
        load(options, environ, files)
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_nothing_given_gives_the_defaults() -> None:
    assert load() == Config()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_a_variable(name: str) -> None:
    text, value = other(name)
    assert load(environ={f"AMQPY_{name.upper()}": text}) == replace(Config(), **{name: value})


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_a_key_of_the_file(name: str, tmp_path: Path) -> None:
    value = other(name)[1]
    literal = {True: "true"}.get(value) or repr(list(value) if isinstance(value, tuple) else value)
    assert load(files=[toml(tmp_path, f"{name} = {literal}")]) == replace(Config(), **{name: value})


def test_names_with_dots_are_those_of_rabbitmq(tmp_path: Path) -> None:
    text = (
        "deprecated_features.permit.global_qos = true\n[deprecated_features.permit]\ntransient_nonexcl_queues = false"
    )
    assert load(files=[toml(tmp_path, text.partition("\n")[0])]) == replace(
        Config(), deprecated_features_permit_global_qos=True
    )
    assert load(files=[toml(tmp_path, text.partition("\n")[2])]) == replace(
        Config(), deprecated_features_permit_transient_nonexcl_queues=False
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("deprecated_features.permit.everything = true", "unknown setting 'deprecated_features.permit.everything'"),
        ("deprecated_features.permit.global_qos = 1", "deprecated_features.permit.global_qos must be true or false"),
        ("port = {}", "port must be an integer from 0 to 65535"),
        ("port.more = 1", "unknown setting 'port.more'"),
    ],
)
def test_what_is_wrong_with_dots(text: str, complaint: str, tmp_path: Path) -> None:
    assert complaint in refusal(files=[toml(tmp_path, text)])


@pytest.mark.parametrize("literal", ["0.4", "1", "0", "'0.4'", "2000000000"])
def test_a_limit_in_the_file_may_be_a_number(literal: str, tmp_path: Path) -> None:
    config = load(files=[toml(tmp_path, f"memory_high_watermark = {literal}")])
    assert config.memory_high_watermark == literal.strip("'")


@pytest.mark.parametrize("literal", ["true", "[0.4]", "-1", "1.5", "'much'", "''"])
def test_what_is_no_limit_is_refused(literal: str, tmp_path: Path) -> None:
    file = toml(tmp_path, f"memory_high_watermark = {literal}")
    expected = "a share of the memory (`0.4`, `40%`), a size (`2GiB`) or `none`"
    assert refusal(files=[file]) == f"{file}: memory_high_watermark must be {expected}"


def test_option_wins_over_variable_over_file_over_default(tmp_path: Path) -> None:
    file = toml(tmp_path, "heartbeat = 1\nchannel_max = 1\nport = 1")
    environ = {"AMQPY_CHANNEL_MAX": "2", "AMQPY_PORT": "2"}
    config = load({"port": "3"}, environ, [file])
    assert (config.heartbeat, config.channel_max, config.port) == (1, 2, 3)
    assert config.frame_max == Config().frame_max


def test_the_variables_of_rabbitmqs_container_image() -> None:
    config = load(
        environ={
            "RABBITMQ_DEFAULT_USER": "app",
            "RABBITMQ_DEFAULT_PASS": "s3cret",
            "RABBITMQ_DEFAULT_VHOST": "orders",
            "RABBITMQ_NODE_PORT": "5673",
            "RABBITMQ_VM_MEMORY_HIGH_WATERMARK": "0.5",
        }
    )
    assert (config.default_user, config.default_pass, config.default_vhost) == ("app", "s3cret", "orders")
    assert (config.port, config.memory_high_watermark) == (5673, "0.5")
    assert config.loopback_users == ("guest",)


def test_our_own_variable_wins_over_rabbitmqs() -> None:
    assert load(environ={"RABBITMQ_NODE_PORT": "1", "AMQPY_PORT": "2"}).port == 2


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("AMQPY_PORT", "http", "an integer from 0 to 65535"),
        ("AMQPY_PORT", "65536", "an integer from 0 to 65535"),
        ("AMQPY_PORT", "-1", "an integer from 0 to 65535"),
        ("AMQPY_PORT", "5_672", "an integer from 0 to 65535"),
        ("AMQPY_PORT", "", "an integer from 0 to 65535"),
        ("AMQPY_PORT", "٣", "an integer from 0 to 65535"),
        ("AMQPY_FRAME_MAX", "4095", "an integer from 4096 to 2147483647"),
        ("AMQPY_STRICT", "maybe", "true or false"),
        ("AMQPY_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("AMQPY_LISTEN", "5672", "a list of HOST:PORT, [IPV6]:PORT, amqps://HOST:PORT or unix:PATH"),
        ("AMQPY_AUTH_MECHANISMS", "PLAIN,MAGIC", "one or more of PLAIN, AMQPLAIN, ANONYMOUS, EXTERNAL, RABBIT-CR-DEMO"),
        ("AMQPY_HOST", "", "a text, not empty"),
        ("RABBITMQ_DEFAULT_USER", "", "a text of 1 to 255 bytes"),
        ("RABBITMQ_DEFAULT_VHOST", "ü" * 128, "a text of 1 to 255 bytes"),
        ("RABBITMQ_NODE_PORT", "tcp://10.0.0.1:5672", "an integer from 0 to 65535"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_own_name(variable: str, text: str, expected: str) -> None:
    assert refusal(environ={variable: text}) == f"{variable} must be {expected}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('port = "5672"', "port must be an integer from 0 to 65535"),
        ("port = true", "port must be an integer from 0 to 65535"),
        ("port = 5672.0", "port must be an integer from 0 to 65535"),
        ("strict = 1", "strict must be true or false"),
        ("default_pass = 1234", "default_pass must be a text"),
        ('loopback_users = "guest"', "loopback_users must be a list of texts"),
        ("loopback_users = [1]", "loopback_users must be a list of texts"),
        ("data_dir = []", "data_dir must be a text"),
    ],
)
def test_a_wrong_type_in_the_file_is_refused_by_file_and_key(line: str, expected: str, tmp_path: Path) -> None:
    file = toml(tmp_path, line)
    assert refusal(files=[file]) == f"{file}: {expected}"


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    file = toml(tmp_path, "prot = 5672")
    assert refusal(files=[file]) == f"{file}: unknown setting 'prot'; did you mean 'port'?"
    file = toml(tmp_path, "zzzzzz = 1")
    assert refusal(files=[file]) == f"{file}: unknown setting 'zzzzzz'"


def test_a_wrong_value_is_refused_even_where_a_stronger_place_wins() -> None:
    assert refusal(options={"port": "1"}, environ={"AMQPY_PORT": "x"}).startswith("AMQPY_PORT ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal(files=[tmp_path / "none.toml"]).startswith(f"cannot read {tmp_path / 'none.toml'}: ")
    assert refusal(files=[tmp_path]) == f"no file in {tmp_path} ends in .conf"
    (tmp_path / "large.conf").write_bytes(b"#" * 1_000_001)
    assert refusal(files=[tmp_path]) == f"{tmp_path / 'large.conf'} has more than 1000000 bytes"


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    file = toml(tmp_path, "port: 5672")
    assert refusal(files=[file]).startswith(f"{file} is not a TOML file: ")
    file.write_bytes(b'host = "\xff"')
    assert refusal(files=[file]).startswith(f"{file} is not a TOML file: ")


def test_a_port_replaces_the_listen_of_a_weaker_place_only(tmp_path: Path) -> None:
    file = toml(tmp_path, 'listen = ["unix:/run/amqp"]')
    assert load({"port": "1"}, files=[file]).addresses == (TcpAddress("127.0.0.1", 1),)
    assert load({"listen": ("unix:/a",)}, {"AMQPY_PORT": "1"}).addresses == (UnixAddress("/a"),)
    assert load(environ={"AMQPY_LISTEN": "unix:/a", "AMQPY_PORT": "1"}).addresses == (UnixAddress("/a"),)


def test_a_config_made_in_code_is_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"^port must be an integer from 0 to 65535$"):
        Config(port=70_000)


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    assert "hunter2" not in repr(Config(default_pass="hunter2"))
    file = toml(tmp_path, 'default_pass = ["hunter2"]')
    assert "hunter2" not in refusal(files=[file])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5672", TcpAddress("127.0.0.1", 5672)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("[::1]:5672", TcpAddress("::1", 5672)),
        ("unix:/run/amqp.sock", UnixAddress("/run/amqp.sock")),
        ("unix:relative", UnixAddress("relative")),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: TcpAddress | UnixAddress) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("amqps://host", TlsAddress("host", 5671)),
        ("amqps://[::1]", TlsAddress("::1", 5671)),
        ("amqps://host:1", TlsAddress("host", 1)),
        ("amqps://[::1]:1", TlsAddress("::1", 1)),
        ("amqp://host", TcpAddress("host", 5672)),
        ("amqp://[::1]:1", TcpAddress("::1", 1)),
    ],
)
def test_an_address_may_be_a_url(text: str, address: TcpAddress) -> None:
    assert (parse_address(text), type(parse_address(text))) == (address, type(address))
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "amqps://",
        "amqps://:5671",
        "amqps://host:",
        "amqps://::1",
        "amqps://user@host/",
        "http://host:80",
        "://host:80",
        "5672",
        ":5672",
        "localhost",
        "localhost:",
        "localhost:65536",
        "localhost:-1",
        "::1:5672",
        "[::1]",
        "[]:5672",
        "[localhost]:5672",
        "unix:",
    ],
)
def test_what_is_not_an_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_address(text)


def test_every_mechanism_there_is_can_be_offered() -> None:
    assert set(setting_info(SETTINGS["auth_mechanisms"]).choices) == set(MECHANISMS)


def test_unknown_variables_are_found_by_our_prefix() -> None:
    environ = {
        "AMQPY_PORT": "1",
        "AMQPY_CONFIG": "f",
        "AMQPY_PURE": "1",
        "AMQPY_PROT": "1",
        "AMQPY_SERVICE_HOST": "h",
        "HOME": "/",
    }
    assert unknown_variables(environ) == ["AMQPY_PROT", "AMQPY_SERVICE_HOST"]
