"""The settings of TLS for the management API and for metrics (docs/tls.md).

Source: RabbitMQ's `management.ssl.*` and `prometheus.ssl.*`.
"""

from dataclasses import dataclass

import amqpy.config.rabbitmq_forms as forms
from amqpy.config.tls import TLS_VERSIONS, VERIFY
from amqpy.config.values import UINT16_MAX, SettingInfo, setting


def _port(usual: int, key: str) -> int | None:
    about = SettingInfo(
        f"The port to listen on in TLS; by default {usual} if there is a certificate for it, or else none.",
        low=0,
        high=UINT16_MAX,
        rabbitmq_keys=(key,),
    )
    return setting(None, about)


def _host(key: str) -> str | None:
    return setting(None, SettingInfo("Its address; by default that of the other port.", low=1, rabbitmq_keys=(key,)))


def _cert(key: str) -> tuple[str, ...]:
    about = SettingInfo(
        "Files with certificates, as `tls_cert` has them; without any, all of `tls_cert`, `tls_verify` and so on hold "
        "here, too.",
        rabbitmq_keys=(key,),
        rabbitmq_form=forms.ONE_FILE,
    )
    return setting((), about)


def _key(key: str) -> tuple[str, ...]:
    about = SettingInfo("Files with their keys.", rabbitmq_keys=(key,), rabbitmq_form=forms.ONE_FILE)
    return setting((), about)


def _key_password(key: str) -> str | None:
    about = SettingInfo(
        "The password of encrypted keys.", secret=True, rabbitmq_keys=(key,), rabbitmq_form=forms.PASSWORD
    )
    return setting(None, about)


def _ca(key: str) -> str | None:
    about = SettingInfo(
        "A file with the authorities that certificates of clients must come from.", rabbitmq_keys=(key,)
    )
    return setting(None, about)


def _crl() -> str | None:
    return setting(None, SettingInfo("A file with certificates of clients that were revoked."))


def _verify(key: str) -> str:
    about = SettingInfo(
        "`verify_peer` asks clients for a certificate, and refuses those with a bad one.",
        choices=VERIFY,
        rabbitmq_keys=(key,),
    )
    return setting("verify_none", about)


def _fail_if_no_peer_cert(key: str) -> bool:
    about = SettingInfo("With `verify_peer`, also refuse clients without a certificate.", rabbitmq_keys=(key,))
    return setting(False, about)


def _versions(key: str) -> tuple[str, ...]:
    about = SettingInfo("The versions of TLS that are spoken.", low=1, choices=TLS_VERSIONS, rabbitmq_keys=(key,))
    return setting(TLS_VERSIONS[:2], about)


def _ciphers(key: str) -> str | None:
    about = SettingInfo(
        "The cipher suites up to TLS 1.2, as `tls_ciphers` has them.",
        low=1,
        rabbitmq_keys=(key,),
        rabbitmq_form=forms.CIPHERS,
    )
    return setting(None, about)


@dataclass(frozen=True)  # without slots, or they could not be joined
class WebTlsSettings:
    """The listeners for HTTP in TLS, and what they show and ask for, where that is not what those for AMQP do."""

    management_tls_port: int | None = _port(15671, "management.ssl.port")
    management_tls_host: str | None = _host("management.ssl.ip")
    management_tls_cert: tuple[str, ...] = _cert("management.ssl.certfile")
    management_tls_key: tuple[str, ...] = _key("management.ssl.keyfile")
    management_tls_key_password: str | None = _key_password("management.ssl.password")
    management_tls_ca: str | None = _ca("management.ssl.cacertfile")
    management_tls_crl: str | None = _crl()
    management_tls_verify: str = _verify("management.ssl.verify")
    management_tls_fail_if_no_peer_cert: bool = _fail_if_no_peer_cert("management.ssl.fail_if_no_peer_cert")
    management_tls_versions: tuple[str, ...] = _versions("management.ssl.versions.*")
    management_tls_ciphers: str | None = _ciphers("management.ssl.ciphers.*")
    prometheus_tls_port: int | None = _port(15691, "prometheus.ssl.port")
    prometheus_tls_host: str | None = _host("prometheus.ssl.ip")
    prometheus_tls_cert: tuple[str, ...] = _cert("prometheus.ssl.certfile")
    prometheus_tls_key: tuple[str, ...] = _key("prometheus.ssl.keyfile")
    prometheus_tls_key_password: str | None = _key_password("prometheus.ssl.password")
    prometheus_tls_ca: str | None = _ca("prometheus.ssl.cacertfile")
    prometheus_tls_crl: str | None = _crl()
    prometheus_tls_verify: str = _verify("prometheus.ssl.verify")
    prometheus_tls_fail_if_no_peer_cert: bool = _fail_if_no_peer_cert("prometheus.ssl.fail_if_no_peer_cert")
    prometheus_tls_versions: tuple[str, ...] = _versions("prometheus.ssl.versions.*")
    prometheus_tls_ciphers: str | None = _ciphers("prometheus.ssl.ciphers.*")
