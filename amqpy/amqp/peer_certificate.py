"""The certificate of a client, and the names in it.

Only connections whose client has one need the package `cryptography`.

Source: RFC 4514; `rabbit_cert_info` for the form of a distinguished name, `rabbit_ssl:peer_cert_auth_name` for the
names to log in with.
"""

import ipaddress
from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import NameOID

_SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.SURNAME: "SN",
    NameOID.SERIAL_NUMBER: "SERIALNUMBER",
    NameOID.COUNTRY_NAME: "C",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.TITLE: "TITLE",
    NameOID.GIVEN_NAME: "GIVENNAME",
    NameOID.INITIALS: "INITIALS",
    NameOID.GENERATION_QUALIFIER: "GENERATIONQUALIFIER",
    NameOID.PSEUDONYM: "PSEUDONYM",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
    NameOID.EMAIL_ADDRESS: "EMAILADDRESS",
}

_SPECIAL = frozenset('"+,;<>\\')

_TEXT_TAGS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii"}
"""DER's tags of UTF8String, PrintableString and IA5String, and their encodings."""


class PeerCertificate:
    """An X.509 certificate that was verified."""

    def __init__(self, raw: bytes) -> None:
        """Takes a certificate in DER. Raises ValueError if it cannot be read: whoever verified it looked for no names
        in it, and later there would be nobody to refuse it."""
        try:
            self._certificate = x509.load_der_x509_certificate(raw)
        except x509.InvalidVersion as error:
            raise ValueError(str(error)) from error
        self.subject = distinguished_name(self._certificate.subject)
        self.issuer = distinguished_name(self._certificate.issuer)
        first, last = self._certificate.not_valid_before_utc, self._certificate.not_valid_after_utc
        self.validity = f"{first:%Y-%m-%dT%H:%M:%SZ} - {last:%Y-%m-%dT%H:%M:%SZ}"
        """`2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z`"""
        self.serial_number = f"{self._certificate.serial_number:X}"
        """In hexadecimal."""

    def login_name(self, source: str, san_type: str, san_index: int) -> str | None:
        """The name to log in with, by the settings `ssl_cert_login_…`; None if there is none."""
        if source == "distinguished_name":
            return self.subject
        if source == "common_name":
            names = self._certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            return ",".join(text_of(each.value) for each in names) if names else None
        alternative = list(self._alternative_names(san_type))
        return alternative[san_index] if san_index < len(alternative) else None

    def _alternative_names(self, kind: str) -> Iterator[str]:
        try:
            names = self._certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
            return
        for name in names:
            match name:
                case x509.DNSName() if kind == "dns":
                    yield name.value
                case x509.RFC822Name() if kind == "email":
                    yield name.value
                case x509.UniformResourceIdentifier() if kind == "uri":
                    yield name.value
                case x509.IPAddress(value=ipaddress.IPv4Address() | ipaddress.IPv6Address() as address) if kind == "ip":
                    yield str(address)
                case x509.OtherName(value=raw) if kind == "other_name":
                    yield from _text_in(raw)


def distinguished_name(name: x509.Name) -> str:
    """A name in RabbitMQ's form of RFC 4514: the last part first."""
    return ",".join("+".join(_attribute(each) for each in part) for part in reversed(name.rdns))


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> str:
    short = _SHORT_NAMES.get(attribute.oid, attribute.oid.dotted_string)
    return f"{short}={escaped(text_of(attribute.value))}"


def escaped(value: str) -> str:
    """A value of a distinguished name, with what is special in it escaped."""
    escape = []
    for at, character in enumerate(value):
        at_edge = (character in " #" and at == 0) or (character == " " and at == len(value) - 1)
        if at_edge or character in _SPECIAL:
            escape.append(f"\\{character}")
        elif not " " <= character <= "}":
            escape += (f"\\{octet:02X}" for octet in character.encode("utf-8", "surrogatepass"))
        else:
            escape.append(character)
    return "".join(escape)


def text_of(value: str | bytes) -> str:
    """The value of an attribute; a string of bits is rare, and shown as Latin-1."""
    return value if isinstance(value, str) else value.decode("latin-1")


def _text_in(raw: bytes) -> Iterator[str]:
    """Yields the text in a value in DER, if it is a short string and nothing else."""
    if len(raw) >= 2 and raw[0] in _TEXT_TAGS and raw[1] == len(raw) - 2 < 0x80:
        yield raw[2:].decode(_TEXT_TAGS[raw[0]], "replace")
