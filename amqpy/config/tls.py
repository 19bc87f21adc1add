"""The settings of TLS (docs/tls.md).

Source: RabbitMQ's `ssl_options.*` and `ssl_cert_login_*`.
"""

from dataclasses import dataclass, field
from typing import Final

import amqpy.config.rabbitmq_forms as forms
from amqpy.config.values import INT32_MAX, UINT16_MAX, SettingInfo, setting

VERIFY: Final = ("verify_none", "verify_peer")
TLS_VERSIONS: Final = ("tlsv1.3", "tlsv1.2", "tlsv1.1", "tlsv1")
"""From the newest on: the first two are spoken by default."""


@dataclass(frozen=True)
class TlsOptions:
    """The certificates of listeners, and their demands on clients."""

    name: str
    """The beginning of the names of the settings that these are: `tls`, for those for AMQP."""
    cert: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    key_password: str | None = field(default=None, repr=False)
    ca: str | None = None
    crl: str | None = None
    verify: str = VERIFY[0]
    fail_if_no_peer_cert: bool = False
    versions: tuple[str, ...] = TLS_VERSIONS[:2]
    ciphers: str | None = None

    @classmethod
    def of(cls, config: object, name: str) -> "TlsOptions":
        """The settings whose names begin so."""
        return cls(name, **{each: getattr(config, f"{name}_{each}") for each in OPTIONS})

    @property
    def is_left_alone(self) -> bool:
        """True if none of the settings was made."""
        return self == TlsOptions(self.name)


OPTIONS: Final = tuple(each for each in TlsOptions.__dataclass_fields__ if each != "name")


@dataclass(frozen=True)  # without slots, or they could not be joined
class TlsSettings:
    """Certificates and versions of TLS listeners, and their demands on clients."""

    tls_cert: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Files with a certificate and what leads to its authority, in PEM. Of several, a client gets the one for "
            "the name that it asks for, or the first.",
            option="FILE",
            rabbitmq_keys=("ssl_options.certfile",),
            rabbitmq_form=forms.ONE_FILE,
        ),
    )
    tls_key: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Files with the keys, one for each certificate; by default they are with the certificates.",
            option="FILE",
            rabbitmq_keys=("ssl_options.keyfile",),
            rabbitmq_form=forms.ONE_FILE,
        ),
    )
    tls_key_password: str | None = setting(
        None,
        SettingInfo(
            "The password of encrypted keys.",
            secret=True,
            rabbitmq_keys=("ssl_options.password",),
            rabbitmq_form=forms.PASSWORD,
        ),
    )
    tls_ca: str | None = setting(
        None,
        SettingInfo(
            "A file with the authorities that certificates of clients must come from.",
            option="FILE",
            rabbitmq_keys=("ssl_options.cacertfile",),
        ),
    )
    tls_crl: str | None = setting(None, SettingInfo("A file with certificates of clients that were revoked."))
    tls_verify: str = setting(
        "verify_none",
        SettingInfo(
            "`verify_peer` asks clients for a certificate, and refuses those with a bad one.",
            choices=VERIFY,
            option="HOW",
            rabbitmq_keys=("ssl_options.verify",),
        ),
    )
    tls_fail_if_no_peer_cert: bool = setting(
        False,
        SettingInfo(
            "With `verify_peer`, also refuse clients without a certificate.",
            option="",
            rabbitmq_keys=("ssl_options.fail_if_no_peer_cert",),
        ),
    )
    tls_versions: tuple[str, ...] = setting(
        TLS_VERSIONS[:2],
        SettingInfo(
            "The versions of TLS that are spoken.",
            low=1,
            choices=TLS_VERSIONS,
            rabbitmq_keys=("ssl_options.versions.*",),
        ),
    )
    tls_ciphers: str | None = setting(
        None,
        SettingInfo(
            "The cipher suites up to TLS 1.2, as OpenSSL lists them; by default Python's choice.",
            low=1,
            rabbitmq_keys=("ssl_options.ciphers.*",),
            rabbitmq_form=forms.CIPHERS,
        ),
    )
    tls_handshake_timeout_ms: int = setting(
        5_000,
        SettingInfo(
            "How long the handshake of TLS may take.",
            low=1,
            high=INT32_MAX,
            rabbitmq_keys=("ssl_handshake_timeout",),
            rabbitmq_form=forms.MILLISECONDS,
        ),
    )
    ssl_cert_login_from: str = setting(
        "distinguished_name",
        SettingInfo(
            "The user's name for EXTERNAL, in the client's certificate.",
            choices=("distinguished_name", "common_name", "subject_alternative_name", "subject_alt_name"),
            rabbitmq_keys=("ssl_cert_login_from",),
        ),
    )
    ssl_cert_login_san_type: str = setting(
        "dns",
        SettingInfo(
            "The type of the subject alternative name that is the user's.",
            choices=("dns", "ip", "email", "uri", "other_name"),
            rabbitmq_keys=("ssl_cert_login_san_type",),
        ),
    )
    ssl_cert_login_san_index: int = setting(
        0,
        SettingInfo(
            "Of several such names, the one to take, from 0 on.",
            low=0,
            high=UINT16_MAX,
            rabbitmq_keys=("ssl_cert_login_san_index",),
        ),
    )
