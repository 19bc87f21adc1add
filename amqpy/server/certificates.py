"""The certificates that TLS listeners show, and what they ask of clients.

Files that change are read anew, for new connections; those that are open keep what they have. Files that cannot be
used then are told in the log, and what was read before stays in use.

Source: `rabbit_ssl_options`; Erlang's cache of PEM files, which RabbitMQ reads anew within two minutes.
"""

import logging
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trio
from cryptography import x509
from cryptography.x509.oid import NameOID

from amqpy.config.tls import TlsOptions

LOOK_S = 10
"""Seconds between two looks at the files."""

WARN_BEFORE = timedelta(days=30)
"""The rest of a certificate's validity from which on the log warns, once a day."""

VERSIONS: Final = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}

FileState = tuple[tuple[str, int, int, int], ...]
"""Of each file its path, inode, time and size."""


class Certificates:
    """The contexts of OpenSSL that settings and files make. Raises OSError, with a line for the operator, if they make
    none."""

    def __init__(self, options: TlsOptions, log: logging.Logger, now: Callable[[], datetime]) -> None:
        self._options = options
        self._log = log
        self._now = now
        self._warned_on: dict[str, datetime] = {}
        self._read = self._state_of_files()
        self.context, self.expiries = load(options)
        self.warn_of_expiry()

    def refresh(self) -> None:
        """Reads the files anew if they have changed."""
        state = self._state_of_files()
        if state != self._read:
            self._read = state
            self.reload()

    def reload(self) -> bool:
        """Reads the files anew. False if they cannot be used, and those before stay in use."""
        try:
            self.context, self.expiries = load(self._options)
        except OSError as error:
            self._log.error("%s; the certificates read before stay in use", error)
            return False
        self._log.info("certificates were read anew")
        self.warn_of_expiry()
        return True

    def warn_of_expiry(self) -> None:
        """Warns of certificates that expire soon, or have expired."""
        now = self._now()
        for path, expiry in self.expiries.items():
            left = expiry - now
            if left <= WARN_BEFORE and now - self._warned_on.get(path, now - timedelta(days=1)) >= timedelta(days=1):
                self._warned_on[path] = now
                verb = "expires" if left > timedelta(0) else "has expired"
                self._log.warning("the certificate in %s %s on %s", path, verb, f"{expiry:%Y-%m-%d %H:%M} UTC")

    async def watch(self) -> None:
        """Looks at the files now and then, until cancelled."""
        while True:
            await trio.sleep(LOOK_S)
            self.refresh()
            self.warn_of_expiry()

    def _state_of_files(self) -> FileState:
        options = self._options
        state = []
        for path in filter(None, (*options.cert, *options.key, options.ca, options.crl)):
            try:
                found = Path(path).stat()
            except OSError:
                state.append((path, 0, 0, 0))
            else:
                state.append((path, found.st_ino, found.st_mtime_ns, found.st_size))
        return tuple(state)


def load(options: TlsOptions) -> tuple[ssl.SSLContext, dict[str, datetime]]:
    """Reads the files. Returns the context of the first certificate, which finds those of the others by the name that a
    client asks for, and when each certificate expires, by file. Raises OSError."""
    name = options.name
    if not options.cert:
        raise OSError(f"an address with TLS needs a certificate: {name}_cert is not set")
    if options.key and len(options.key) != len(options.cert):
        raise OSError(f"{name}_key must have one file for each of {name}_cert")
    if options.verify == "verify_peer" and options.ca is None:
        raise OSError(f"{name}_verify = verify_peer needs the authorities in {name}_ca")
    contexts, expiries = [], {}
    for certificate, key in zip(options.cert, options.key or options.cert, strict=True):
        leaf = _leaf_in(certificate)
        contexts.append((frozenset(names_of(leaf)), _context(options, certificate, key)))
        expiries[certificate] = leaf.not_valid_after_utc
    default = contexts[0][1]
    if len(contexts) > 1:

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name is not None:
                connection.context = _best(contexts, name.lower()) or default

        default.sni_callback = choose
    return default, expiries


def _best(contexts: Iterable[tuple[frozenset[str], ssl.SSLContext]], name: str) -> ssl.SSLContext | None:
    wildcard = "*." + name.partition(".")[2]
    for wanted in (name, wildcard):
        for names, context in contexts:
            if wanted in names:
                return context
    return None


def _context(options: TlsOptions, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0  # few clients of AMQP resume a session, and each would get two tickets
    _set_versions(context, options)
    try:
        if options.ciphers is not None:
            context.set_ciphers(options.ciphers)
    except ssl.SSLError:
        raise OSError(f"{options.name}_ciphers: OpenSSL knows none of them") from None
    try:
        # A function, even for no password: OpenSSL would ask the terminal for one.
        context.load_cert_chain(certificate, key, password=lambda: options.key_password or "")
    except OSError as error:
        files = certificate if key == certificate else f"{certificate} and {key}"
        # OpenSSL has no words for a password that does not fit.
        is_locked = isinstance(error, ssl.SSLError) and b"ENCRYPTED" in Path(key).read_bytes()
        reason = "wrong password of the key" if is_locked else _reason(error)
        raise OSError(f"cannot use the certificate in {files}: {reason}") from None
    if options.verify == "verify_peer":
        context.verify_mode = ssl.CERT_REQUIRED if options.fail_if_no_peer_cert else ssl.CERT_OPTIONAL
        _trust(context, options)
    return context


def _trust(context: ssl.SSLContext, options: TlsOptions) -> None:
    for path in filter(None, (options.ca, options.crl)):
        try:
            context.load_verify_locations(path)
        except OSError as error:
            raise OSError(f"cannot use the certificates in {path}: {_reason(error)}") from None
    if options.crl is not None:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _set_versions(context: ssl.SSLContext, options: TlsOptions) -> None:
    order = list(VERSIONS)
    places = sorted({order.index(name) for name in options.versions})
    if places != list(range(places[0], places[-1] + 1)):
        raise OSError(f"{options.name}_versions must not leave out a version between two others")
    context.minimum_version, context.maximum_version = VERSIONS[order[places[0]]], VERSIONS[order[places[-1]]]


def _leaf_in(path: str) -> x509.Certificate:
    """The first certificate in a file: the one that is shown. Raises OSError."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())[0]
    except OSError as error:
        raise OSError(f"cannot use the certificate in {path}: {error.strerror or error}") from None
    except ValueError:
        raise OSError(f"cannot use the certificate in {path}: there is no certificate in PEM") from None


def names_of(certificate: x509.Certificate) -> Iterable[str]:
    """The host names that a certificate is for, in lower case."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [name.lower() for name in found]


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        words = (error.reason or str(error)).lower().replace("_", " ")
        return "the key is not the certificate's" if words == "key values mismatch" else words
    return error.strerror or str(error)


def utc_now() -> datetime:
    return datetime.now(UTC)
