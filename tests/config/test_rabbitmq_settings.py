"""The keys of rabbitmq.conf: those that are settings, those without a meaning, those that are refused."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from amqpy.config import SETTINGS, Config, rabbitmq_keys
from amqpy.config import sources as config_sources
from amqpy.config.sources import Settings, load, read
from amqpy.config.values import ConfigError, Note, setting_info

from .stream_keys import OF_STREAMS
from .test_web_addresses import WEB_TLS


def conf(directory: Path, text: str, name: str = "rabbitmq.conf") -> Path:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def settings(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    return read(environ=environ, files=[conf(directory, text)])


def refusal(directory: Path, text: str) -> str:
    """The error text without the name of the file."""
    file = conf(directory, text)
    with pytest.raises(ConfigError) as refused:
        load(files=[file])
    return str(refused.value).removeprefix(f"{file}:")


@pytest.fixture(autouse=True)
def with_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_sources, "has_ipv6", lambda: True)


# --- keys that are settings

MAPPED: list[tuple[str, str, Any]] = [
    ("listeners.tcp.default = 5673", "listen", ("0.0.0.0:5673", "[::]:5673")),
    ("listeners.tcp.1 = 127.0.0.1:5673", "listen", ("127.0.0.1:5673",)),
    ("listeners.tcp.local = ::1:5673", "listen", ("[::1]:5673",)),
    ("listeners.tcp.all = :::5673", "listen", ("[::]:5673",)),
    ("listeners.tcp.2 = 10.0.0.1:2\nlisteners.tcp.1 = 10.0.0.1:1", "listen", ("10.0.0.1:1", "10.0.0.1:2")),
    ("listeners.ssl.1 = 127.0.0.1:5671\nlisteners.tcp = none", "listen", ("amqps://127.0.0.1:5671",)),
    ("listeners.tcp.1 = 10.0.0.1:1\nlisteners.ssl = none", "listen", ("10.0.0.1:1",)),
    ("ssl_options.certfile = /c.pem", "tls_cert", ("/c.pem",)),
    ("ssl_options.keyfile = /k.pem", "tls_key", ("/k.pem",)),
    ("ssl_options.password = 's3#ret'", "tls_key_password", "s3#ret"),
    ("ssl_options.cacertfile = /ca.pem", "tls_ca", "/ca.pem"),
    ("ssl_options.verify = verify_peer", "tls_verify", "verify_peer"),
    ("ssl_options.fail_if_no_peer_cert = true", "tls_fail_if_no_peer_cert", True),
    ("ssl_options.versions.1 = tlsv1.3\nssl_options.versions.2 = tlsv1.2", "tls_versions", ("tlsv1.3", "tlsv1.2")),
    (
        "ssl_options.ciphers.1 = TLS_AES_256_GCM_SHA384\nssl_options.ciphers.2 = ECDHE-RSA-AES128-GCM-SHA256",
        "tls_ciphers",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    ("ssl_handshake_timeout = 1000", "tls_handshake_timeout_ms", 1000),
    ("ssl_cert_login_from = common_name", "ssl_cert_login_from", "common_name"),
    ("ssl_cert_login_san_type = email", "ssl_cert_login_san_type", "email"),
    ("ssl_cert_login_san_index = 1", "ssl_cert_login_san_index", 1),
    ("log.console.level = debug", "log_level", "debug"),
    ("log.default.level = error\nlog.file.level = warning", "log_level", "warning"),
    ("log.connection.level = critical", "log_level", "error"),
    ("log.console.level = notice", "log_level", "info"),
    ("log.console.formatter = json", "log_format", "json"),
    ("log.console.formatter = plaintext", "log_format", "text"),
    ("default_user = app", "default_user", "app"),
    ("default_pass = 's3cret # 1'", "default_pass", "s3cret # 1"),
    ("default_vhost = orders", "default_vhost", "orders"),
    (
        "default_user_tags.administrator = false\ndefault_user_tags.monitoring = true",
        "default_user_tags",
        ("monitoring",),
    ),
    ("default_permissions.configure = ^app", "default_permissions_configure", "^app"),
    ("default_permissions.write = ^$", "default_permissions_write", "^$"),
    ("default_permissions.read = .*", "default_permissions_read", ".*"),
    ("default_queue_type = quorum", "default_queue_type", "quorum"),
    ("default_queue_type = rabbit_quorum_queue", "default_queue_type", "quorum"),
    ("loopback_users.guest = false", "loopback_users", ()),
    ("loopback_users = none", "loopback_users", ()),
    ("loopback_users.a\\.b = true\nloopback_users.guest = false", "loopback_users", ("a.b",)),
    ("auth_mechanisms.10 = PLAIN\nauth_mechanisms.9 = AMQPLAIN", "auth_mechanisms", ("AMQPLAIN", "PLAIN")),
    ("auth_backends.1 = rabbit_auth_backend_http", "auth_backends", ("http",)),
    (
        "auth_backends.2 = internal\nauth_backends.1.authn = internal\nauth_backends.1.authz = http",
        "auth_backends",
        ("internal/http", "internal"),
    ),
    ("auth_http.http_method = post", "auth_http_http_method", "post"),
    ("auth_http.user_path = http://a.example/u", "auth_http_user_path", "http://a.example/u"),
    ("auth_http.vhost_path = http://a.example/v", "auth_http_vhost_path", "http://a.example/v"),
    ("auth_http.resource_path = http://a.example/r", "auth_http_resource_path", "http://a.example/r"),
    ("auth_http.topic_path = http://a.example/t", "auth_http_topic_path", "http://a.example/t"),
    ("auth_http.request_timeout = 1000", "auth_http_request_timeout_ms", 1000),
    ("auth_http.connection_timeout = 1000", "auth_http_connection_timeout_ms", 1000),
    ("auth_http.ssl_options.cacertfile = /ca.pem", "auth_http_ssl_options_cacertfile", "/ca.pem"),
    ("auth_cache.cached_backend = http", "auth_cache_cached_backend", "http"),
    ("auth_cache.cache_ttl = 1000", "auth_cache_cache_ttl_ms", 1000),
    ("auth_cache.cache_refusals = true", "auth_cache_cache_refusals", True),
    ("auth_oauth2.resource_server_id = r", "auth_oauth2_resource_server_id", "r"),
    ("auth_oauth2.verify_aud = false", "auth_oauth2_verify_aud", False),
    ("auth_oauth2.issuer = https://i.example", "auth_oauth2_issuer", "https://i.example"),
    ("auth_oauth2.jwks_uri = https://i.example/k", "auth_oauth2_jwks_uri", "https://i.example/k"),
    ("auth_oauth2.jwks_url = https://i.example/k", "auth_oauth2_jwks_uri", "https://i.example/k"),
    ("auth_oauth2.https.cacertfile = /ca.pem", "auth_oauth2_https_cacertfile", "/ca.pem"),
    ("auth_oauth2.signing_keys.one = /one.pem", "auth_oauth2_signing_keys", ("one=/one.pem",)),
    ("auth_oauth2.default_key = one", "auth_oauth2_default_key", "one"),
    (
        "auth_oauth2.algorithms.2 = ES256\nauth_oauth2.algorithms.1 = RS256",
        "auth_oauth2_algorithms",
        ("RS256", "ES256"),
    ),
    ("auth_oauth2.scope_prefix = mq.", "auth_oauth2_scope_prefix", "mq."),
    ("auth_oauth2.scope_aliases.admin = a b", "auth_oauth2_scope_aliases", ("admin=a b",)),
    ("auth_oauth2.additional_scopes_key = a b.c", "auth_oauth2_additional_scopes_key", ("a", "b.c")),
    ("auth_oauth2.preferred_username_claims.1 = email", "auth_oauth2_preferred_username_claims", ("email",)),
    ("password_hashing_module = rabbit_password_hashing_sha512", "password_hashing", "sha512"),
    (
        "credential_validator.validation_backend = rabbit_credential_validator_min_password_length",
        "credential_validator",
        "min_password_length",
    ),
    ("credential_validator.min_length = 8", "credential_validator_min_length", 8),
    ("credential_validator.regexp = ^.{8}", "credential_validator_regexp", "^.{8}"),
    ("proxy_protocol = true", "proxy_protocol", True),
    ("connection_max = 100", "connection_max", 100),
    ("connection_max = infinity", "connection_max", None),
    ("channel_max_per_node = 5", "channel_max_per_node", 5),
    ("consumer_max_per_channel = 5", "consumer_max_per_channel", 5),
    ("frame_max = 65536", "frame_max", 65536),
    ("frame_max = 64KB", "frame_max", 65536),
    ("channel_max = 100", "channel_max", 100),
    ("max_channels_per_connection = 100", "channel_max", 100),
    ("max_connections = 100", "connection_max", 100),
    ("total_memory_available_override_value = 2GB", "total_memory_available_override_value", "2GB"),
    ("heartbeat = 30", "heartbeat", 30),
    ("handshake_timeout = 5000", "handshake_timeout_ms", 5000),
    ("handshake_timeout = infinity", "handshake_timeout_ms", 2_147_483_647),
    ("vm_memory_high_watermark.relative = 0.5", "memory_high_watermark", "0.5"),
    ("vm_memory_high_watermark.absolute = 2GB", "memory_high_watermark", "2GB"),
    ("vm_memory_high_watermark.absolute = 1", "memory_high_watermark", "0"),
    (
        "vm_memory_high_watermark.relative = 0.5\nvm_memory_high_watermark.absolute = 1GB",
        "memory_high_watermark",
        "0.5",
    ),
    ("disk_free_limit.absolute = 1000000", "disk_free_limit", "1000000"),
    ("disk_free_limit.relative = 2.0", "disk_free_limit", "2.0"),
    ("max_message_size = 1000", "max_message_size", 1000),
    ("consumer_timeout = 60000", "consumer_timeout_ms", 60000),
    ("consumer_timeout = undefined", "consumer_timeout_ms", None),
    ("product.name = Hare", "product", "Hare"),
    ("product.version = 1.2", "version", "1.2"),
    ("cluster_name = here", "cluster_name", "here"),
    ("load_definitions = /d.json", "load_definitions", "/d.json"),
    ("management.load_definitions = /d.json", "load_definitions", "/d.json"),
    (
        "deprecated_features.permit.transient_nonexcl_queues = false",
        "deprecated_features_permit_transient_nonexcl_queues",
        False,
    ),
    (
        "deprecated_features.permit.queue_master_locator = true",
        "deprecated_features_permit_queue_master_locator",
        True,
    ),
    ("deprecated_features.permit.global_qos = false", "deprecated_features_permit_global_qos", False),
    ("management.tcp.ip = 0.0.0.0", "management_host", "0.0.0.0"),
    ("management.tcp.port = 15673", "management_port", 15673),
    ("management.path_prefix = /rabbit", "management_path_prefix", "/rabbit"),
    ("management.http.max_body_size = 1000", "management_http_max_body_size", 1000),
    ("management.rates_mode = none", "management_rates_mode", "none"),
    ("management.disable_stats = true", "management_disable_stats", True),
    ("management.enable_queue_totals = true", "management_enable_queue_totals", True),
    (
        "management.cors.allow_origins.1 = https://a.example\nmanagement.cors.allow_origins.2 = https://b.example",
        "management_cors_allow_origins",
        ("https://a.example", "https://b.example"),
    ),
    ("management.cors.max_age = 60", "management_cors_max_age", 60),
    ("management.csp.policy = default-src 'self'", "management_csp", "default-src 'self'"),
    ("management.hsts.policy = max-age=1", "management_hsts", "max-age=1"),
    ("management.listener.ip = 0.0.0.0", "management_host", "0.0.0.0"),
    ("management.listener.port = 15673", "management_port", 15673),
    *WEB_TLS,
    ("prometheus.tcp.ip = 0.0.0.0", "prometheus_host", "0.0.0.0"),
    ("prometheus.tcp.port = 15693", "prometheus_port", 15693),
    ("prometheus.path = /numbers", "prometheus_path", "/numbers"),
    ("prometheus.return_per_object_metrics = true", "prometheus_return_per_object_metrics", True),
    *OF_STREAMS,
]


@pytest.mark.parametrize(("text", "name", "value"), MAPPED)
def test_a_key_is_a_setting(text: str, name: str, value: object, tmp_path: Path) -> None:
    found = settings(tmp_path, text)
    assert getattr(found.config, name) == value
    assert found.sources.keys() == {name}
    assert found.notes == []


def test_every_mapped_key_is_tried_here() -> None:
    tried = {
        rabbitmq_keys.find(rabbitmq_keys.setting_keys(), tuple(line.partition(" =")[0].split(".")))
        for text, _, _ in MAPPED
        for line in text.replace("\\.", "_").splitlines()
    }
    assert tried == set(rabbitmq_keys.setting_keys())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("heartbeat = abc", "1: heartbeat must be an integer from 0 to 65535"),
        ("\nheartbeat = 70000", "2: heartbeat must be an integer from 0 to 65535"),
        ("deprecated_features.permit.global_qos = 1", "1: deprecated_features.permit.global_qos must be true or false"),
        ("loopback_users.guest = no", "1: loopback_users.guest must be true or false for each name"),
        ("loopback_users = guest", "1: loopback_users must be true or false for each name"),
        ("listeners.tcp.1 = 5672\nlisteners.tcp.2 = x", "2: listeners.tcp.2 must be a port, ADDRESS:PORT or none"),
        ("listeners.tcp.1 = 65536", "1: listeners.tcp.1 must be a port, ADDRESS:PORT or none"),
        ("listeners.tcp = 5672", "1: listeners.tcp must be a port, ADDRESS:PORT or none"),
        ("listeners.tcp.1 = localhost:1", "1: listeners.tcp.1 must be a port, ADDRESS:PORT or none"),
        ("listeners.tcp.1 = [::1]:1", "1: listeners.tcp.1 must be a port, ADDRESS:PORT or none"),
        ("listeners.tcp = none", "1: listeners.tcp must be a port, ADDRESS:PORT or none"),
        ("log.console.level = loud", "1: log.console.level must be one of debug, info, warning, error"),
        ("auth_mechanisms.1 = MAGIC", "1: auth_mechanisms.1 must be one or more of PLAIN"),
        ("default_pass = encrypted:x", "1: default_pass must be a text that is not encrypted"),
        ("default_permissions.read = (", "1: default_permissions.read must be a regular expression"),
        ("vm_memory_high_watermark.relative = 1.5", "1: vm_memory_high_watermark.relative must be a size, or a number"),
        ("vm_memory_high_watermark.relative = x", "1: vm_memory_high_watermark.relative must be a size, or a number"),
        ("disk_free_limit.relative = 1", "1: disk_free_limit.relative must be a size, or a number such as 0.4"),
        ("disk_free_limit.absolute = 1XB", "1: disk_free_limit.absolute must be a size, or a number"),
        ("frame_max = 1TB", "1: frame_max must be bytes, or a number with KB, MB or GB"),
        ("handshake_timeout = 0", "1: handshake_timeout must be milliseconds from 1 on, or infinity"),
        ("default_user = ''", "1: default_user must be a text of 1 to 255 bytes"),
        ("cluster_name = $(x)", "1: cluster_name: no key and no environment variable"),
        ("auth_backends.1 = ldap", "1: auth_backends.1 must be internal, http, oauth2 or cache"),
        ("auth_backends.1.authn = http", "1: auth_backends.1.authn must be internal, http, oauth2 or cache"),
        ("password_hashing_module = rabbit_password_hashing_md5", "1: password_hashing_module must be rabbit_"),
        ("heartbeat", "1:10: expected '='"),
    ],
)
def test_a_wrong_value_is_refused_by_its_line(text: str, problem: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, text).startswith(problem)


def test_the_last_of_doubled_keys_counts_and_only_that_is_looked_at(tmp_path: Path) -> None:
    assert settings(tmp_path, "heartbeat = x\nheartbeat = 7").config.heartbeat == 7


def test_values_come_from_variables(tmp_path: Path) -> None:
    file = conf(tmp_path, "default_pass = $(APP_PASS)")
    assert load(environ={"APP_PASS": "s3cret"}, files=[file]).default_pass == "s3cret"


# --- keys without a meaning


def test_keys_without_a_meaning_are_named_once(tmp_path: Path) -> None:
    text = "mqtt.allow_anonymous = true\nlog.console = true\ncluster_formation.node_type = disc\nheartbeat = 1"
    found = settings(tmp_path, text)
    names = "cluster_formation.node_type, log.console, mqtt.allow_anonymous"
    assert found.notes == [Note(logging.INFO, f"without a meaning here: {names}")]


def test_what_is_cut_by_a_comment_is_warned_about(tmp_path: Path) -> None:
    (note,) = settings(tmp_path, "default_pass = pa#ss").notes
    assert note.level == logging.WARNING
    assert note.text.endswith("rabbitmq.conf:1: default_pass ends before a #; 'in quotes' that would be part of it")


# --- keys that are refused

REFUSED_LINES = [
    "ssl_options.crl_check = peer",
    "ssl_options.honor_cipher_order = false",
    "management.ssl.honor_cipher_order = false",
    "prometheus.ssl.honor_ecc_order = false",
    "management.listener.ssl = true",
    "management.listener.ssl_opts.verify = verify_peer",
    "ssl_allow_poodle_attack = true",
    "trust_store.directory = /d",
    "auth_http.ssl_options.verify = verify_none",
    "auth_oauth2.https.peer_verification = verify_none",
    "auth_oauth2.resource_servers.a.id = a",
    "auth_ldap.servers.1 = s",
    "credential_validator.unknown = 1",
    "anonymous_login_user = none",
    "definitions.import_backend = local_filesystem",
    "default_users.a.password = b",
    "default_limits.vhosts.1.max_queues = 1",
    "message_interceptors.incoming.set_header_timestamp.overwrite = true",
    "queue_types.classic.enabled = false",
    "quorum_queue.property_equivalence.relaxed_checks_on_redeclaration = true",
]


@pytest.mark.parametrize("line", REFUSED_LINES)
def test_what_must_not_be_ignored_is_refused(line: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, line).startswith(f"1: {line.partition(' ')[0]}: ")


@pytest.mark.parametrize(
    "line",
    [
        "ssl_options = none",
        "ssl_options.honor_cipher_order = true",
        "auth_http.ssl_options.verify = verify_peer",
        "queue_types.classic.enabled = true",
    ],
)
def test_what_asks_for_what_is_done_anyway_is_taken(line: str, tmp_path: Path) -> None:
    assert settings(tmp_path, line) == Settings(Config(), {}, [])


@pytest.mark.parametrize(
    ("key", "suggested"),
    [
        ("hartbeat", "heartbeat"),
        ("listener.tcp.default", "listeners.tcp"),
        ("log.console.levl", "log.console.level"),
        ("ssl_options_verify", "ssl_options.verify"),
        ("vm_memory_high_watermark", "vm_memory_high_watermark.relative"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(key: str, suggested: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, f"\n{key} = 1")
    assert said.startswith(f"2: unknown key '{key}'; did you mean '")
    assert said.endswith(f"{suggested}'?")


def test_a_key_like_no_other(tmp_path: Path) -> None:
    assert refusal(tmp_path, "zzzzzz = 1") == "1: unknown key 'zzzzzz'"


def test_no_pattern_is_in_two_classes() -> None:
    classes = [set(rabbitmq_keys.setting_keys()), set(rabbitmq_keys.REFUSED), set(rabbitmq_keys.IGNORED)]
    assert sum(map(len, classes)) - len({pattern for each in classes for pattern in each}) == len(
        classes[0] & classes[2]
    )
    keys = [key for setting in SETTINGS.values() for key in setting_info(setting).rabbitmq_keys]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a", "a", True),
        ("a", "a.b", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.**", "a", True),
        ("a.**", "a.b.c", True),
        ("a.**", "ab.c", False),
        ("a.*.c", "a.b.c", True),
        ("a_*", "a_b", True),
    ],
)
def test_patterns(pattern: str, key: str, expected: bool) -> None:
    assert rabbitmq_keys.matches(pattern, tuple(key.split("."))) is expected


# --- files


def test_files_count_as_one_and_toml_is_stronger(tmp_path: Path) -> None:
    first = conf(tmp_path, "heartbeat = 1\nloopback_users.a = true\nchannel_max = 1")
    second = conf(tmp_path, "heartbeat = 2\nloopback_users.b = true", "conf.d/10-more.conf")
    conf(tmp_path, "heartbeat = 3", "conf.d/20-last.conf")
    conf(tmp_path, "heartbeat = 4", "conf.d/other.txt")
    table = conf(tmp_path, "channel_max = 5", "broker.toml")
    config = load(files=[table, first, second.parent])
    assert (config.heartbeat, config.loopback_users, config.channel_max) == (3, ("a", "b"), 5)


def test_the_content_tells_what_a_file_without_a_suffix_is(tmp_path: Path) -> None:
    assert load(files=[conf(tmp_path, "default_user = app", "a")]).default_user == "app"
    assert load(files=[conf(tmp_path, "default_user = 'app' # c", "b")]).default_user == "app"
    with pytest.raises(ConfigError, match="c:1:9: expected '='"):
        load(files=[conf(tmp_path, "default user", "c")])


def test_erlang_terms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rabbitmq\.config has Erlang terms, which amqpy does not read"):
        load(files=[conf(tmp_path, "[].", "rabbitmq.config")])


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_bytes(b"default_pass = \xff")
    with pytest.raises(ConfigError, match=r"a\.conf is not UTF-8$"):
        load(files=[tmp_path / "a.conf"])


def test_a_port_of_a_stronger_source_replaces_the_listeners(tmp_path: Path) -> None:
    file = conf(tmp_path, "listeners.tcp.1 = 10.0.0.1:5673")
    assert list(map(str, load({"port": "1"}, files=[file]).addresses)) == ["127.0.0.1:1"]


def test_the_listeners_of_the_file_win_over_rabbitmqs_variables(tmp_path: Path) -> None:
    file = conf(tmp_path, "listeners.tcp.1 = 10.0.0.1:5673")
    environ = {"RABBITMQ_NODE_PORT": "1", "RABBITMQ_NODE_IP_ADDRESS": "10.0.0.2"}
    assert list(map(str, load(environ=environ, files=[file]).addresses)) == ["10.0.0.1:5673"]
    assert list(map(str, load(environ=environ).addresses)) == ["10.0.0.2:1"]


def test_a_value_may_be_in_a_file(tmp_path: Path) -> None:
    conf(tmp_path, "s3cret # 1\r\n", "pass")
    assert settings(tmp_path, "default_pass = $(< pass)").config.default_pass == "s3cret # 1"
    assert settings(tmp_path, f"default_pass = '$(<{tmp_path / 'pass'})'").config.default_pass == "s3cret # 1"
    assert settings(tmp_path, "default_user = x$(<pass)", {"<pass": "y"}).config.default_user == "xy"
    assert refusal(tmp_path, "default_pass = $(<none)").startswith(f"1: default_pass: cannot read {tmp_path}/none: ")


def test_files_include_others(tmp_path: Path) -> None:
    conf(tmp_path, "heartbeat = 1\nchannel_max = 1\ninclude ../b.conf", "more/a.conf")
    conf(tmp_path, "heartbeat = 2", "b.conf")
    text = "channel_max = 3\n include  more/*.conf # all\ninclude none/*.conf\nframe_max = 8192"
    found = settings(tmp_path, text).config
    assert (found.heartbeat, found.channel_max, found.frame_max) == (2, 1, 8192)
    assert refusal(tmp_path, "\ninclude none.conf") == f"cannot read {tmp_path}/none.conf: No such file or directory"
    file = tmp_path / "rabbitmq.conf"
    assert refusal(tmp_path, "\ninclude rabbitmq.conf") == f"2: {file} includes itself"


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    assert settings(tmp_path, "\ufeffheartbeat = 1").config.heartbeat == 1


def test_the_system_may_have_no_ipv6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_sources, "has_ipv6", lambda: False)
    text = "listeners.tcp.1 = 5672\nlisteners.tcp.2 = :::5673"
    assert settings(tmp_path, text).config.listen == ("0.0.0.0:5672", "[::]:5673")


EXAMPLES = {
    "the defaults of the official image": "loopback_users.guest = false\nlog.console = true\n",
    "what an operator of a cluster writes": """
        queue_master_locator                       = min-masters
        disk_free_limit.absolute                   = 2GB
        cluster_partition_handling                 = pause_minority
        cluster_formation.peer_discovery_backend   = rabbit_peer_discovery_k8s
        cluster_formation.k8s.host                 = kubernetes.default
        cluster_formation.k8s.address_type         = hostname
        cluster_formation.target_cluster_size_hint = 3
        cluster_name                               = orders
        total_memory_available_override_value      = 1717986919
    """,
    "what a tutorial writes": """
        # networking
        listeners.tcp.1 = 0.0.0.0:5672
        num_acceptors.tcp = 10
        tcp_listen_options.backlog = 4096
        tcp_listen_options.nodelay = true

        ## limits
        vm_memory_high_watermark.relative = 0.6
        vm_memory_high_watermark_paging_ratio = 0.75
        heartbeat = 60
        frame_max = 131072
        channel_max = 128
        collect_statistics_interval = 10000

        ## the management plugin
        management.tcp.port = 15672
        management.tcp.ip = 0.0.0.0

        default_user = admin
        default_pass = admin
        default_user_tags.administrator = true
        default_permissions.configure = .*
        default_permissions.read = .*
        default_permissions.write = .*

        log.file = rabbit.log
        log.dir = /var/log/rabbitmq
        log.console = true
        log.console.level = info
        log.file.rotation.size = 10485760
    """,
}


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_files_as_people_have_them(text: str, tmp_path: Path) -> None:
    found = settings(tmp_path, text)
    assert found.config != Config()
    assert [note.level for note in found.notes] == [logging.INFO]
