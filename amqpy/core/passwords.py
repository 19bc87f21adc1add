"""Passwords as RabbitMQ keeps them: the hash of a salt of four octets and the password, with the salt before it.

SHA-256 and SHA-512 are written; MD5 was that of old versions, whose hashes can still be imported. A user keeps the
algorithm that its password was hashed with.

Source: `rabbit_password`, `rabbit_password_hashing_*`, `rabbit_credential_validator_*`.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from amqpy.config import Config
from amqpy.errors import AdministrationError
from amqpy.patterns import Program, compile_pattern

SALT_BYTES: Final = 4

ALGORITHMS: Final[dict[str, Callable[[bytes], Any]]] = {
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    # Where law forbids MD5 for security, this is for passwords that were hashed long ago.
    "md5": partial(hashlib.md5, usedforsecurity=False),
}
"""The hash functions by the names that records have for them."""


PREFIX: Final = "rabbit_password_hashing_"


class Password(NamedTuple):
    """A password as a user has it. Without a hash nobody can log in with any."""

    hash: bytes = b""
    algorithm: str = "sha256"

    @property
    def algorithm_name(self) -> str:
        """RabbitMQ's name of the algorithm."""
        return f"{PREFIX}{self.algorithm}" if self.algorithm in ALGORITHMS else self.algorithm

    def __repr__(self) -> str:
        return f"<password, {self.algorithm}>" if self.hash else "<no password>"


NO_PASSWORD: Final = Password()


def hash_password(password: bytes, salt: bytes, algorithm: str = "sha256") -> bytes:
    """Hashes a password: the salt, and the hash of salt and password."""
    digest: bytes = ALGORITHMS[algorithm](salt + password).digest()
    return salt + digest


def is_password(given: bytes, kept: Password) -> bool:
    """True if it is the password. Takes as long if there is none, so that the time does not tell."""
    known = kept.hash or bytes(SALT_BYTES)
    algorithm = kept.algorithm if kept.algorithm in ALGORITHMS else NO_PASSWORD.algorithm
    is_same = hmac.compare_digest(hash_password(given, known[:SALT_BYTES], algorithm), known)
    return is_same and algorithm == kept.algorithm


def imported(password_hash: str | bytes, algorithm: str) -> Password:
    """The password of a hash that was made elsewhere: its octets, or these in base64; none is no password.

    The algorithm has its name in `ALGORITHMS`, or RabbitMQ's. One of which nobody knows, or a hash that is too short or
    too long, is kept, as RabbitMQ keeps it, and no password has it. Raises AdministrationError if it is no base64.
    """
    name = algorithm.removeprefix(PREFIX)
    kept = name if name in ALGORITHMS else algorithm
    return Password(_decoded(password_hash) if isinstance(password_hash, str) else password_hash, kept)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()).encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise AdministrationError("not_base64", term=["not_base64", text]) from None


# --- validators

Validator: TypeAlias = Callable[[str], str | None]
"""Returns why a password is not good enough, or None."""


def validator_of(config: Config) -> Validator:
    """The validator that is set. It judges the passwords of an administrator, not hashes."""
    match config.credential_validator:
        case "min_password_length":
            return partial(_judge_length, config.credential_validator_min_length)
        case "password_regexp":
            return partial(_judge_by_pattern, compile_pattern(config.credential_validator_regexp or ""))
    return lambda password: None


def _judge_length(least: int, password: str) -> str | None:
    is_long_enough = len(password.encode("utf-8", "surrogatepass")) >= least
    return None if is_long_enough else f"minimum required password length is {least}"


def _judge_by_pattern(pattern: Program, password: str) -> str | None:
    return None if pattern.search(password) else "provided password does not match the validator regular expression"
