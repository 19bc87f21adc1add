"""Tokens: JSON Web Tokens that an OAuth 2 server has signed, and the users that they make.

A token is the password of a login. The algorithm in its header is no more than a claim: a key is for certain
algorithms, whatever the token says, so a public key is never taken for a shared secret; `none` is no algorithm; and
shared secrets come from the operator only, never from a set of keys that was fetched.

Source: `rabbit_auth_backend_oauth2`, `uaa_jwt`; RFC 7515, 7517, 7518, 7519; RFC 8725 for what to be afraid of.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from amqpy.auth.scopes import Scopes, TooManyScopes, scopes_of

TOKEN_BYTES_MAX: Final = 64 * 1024

RSA_ALGORITHMS: Final = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
HMAC_ALGORITHMS: Final = frozenset(("HS256", "HS384", "HS512"))
EC_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
"""By the name of the curve."""

DEFAULT_CLAIMS: Final = ("sub", "client_id")
"""The claims that have the user's name, after the preferred ones."""

UNKNOWN_USER: Final = "unknown"
"""The name of a user whose token has none."""

_READERS: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "oct": HMACAlgorithm.from_jwk,
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}
"""Those that read a JSON Web Key, by its type."""

_JWS = jwt.PyJWS(options={"verify_signature": True, "enforce_minimum_key_length": True})


class TokenRefused(Exception):
    """A token that is not accepted. The reason is for the log."""


class KeyUnusable(ValueError):
    """A key that no token can be verified with."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The rules for tokens, and for reading them."""

    resource_server_id: str
    prefix: str
    """The beginning of scopes that count."""
    algorithms: frozenset[str]
    """The algorithms that are accepted, of those that a key is for."""
    verify_aud: bool = True
    issuer: str | None = None
    default_key: str | None = None
    """The id of the key of tokens that name none."""
    more_scope_paths: tuple[str, ...] = ()
    scope_aliases: Mapping[str, Sequence[str]] | None = None
    name_claims: tuple[str, ...] = DEFAULT_CLAIMS
    leeway_s: int = 0
    requires_expiry: bool = True


class Key(NamedTuple):
    """A key that tokens are verified with."""

    material: Any
    """A public key of `cryptography`, or the bytes of a shared secret."""
    algorithms: frozenset[str]

    def __repr__(self) -> str:
        # It may get into a log, where no secret may.
        return f"<key for {', '.join(sorted(self.algorithms))}>"


class Token(NamedTuple):
    """A token that was accepted."""

    user_name: str
    scopes: Scopes
    expires_at_s: float | None
    """The Unix time after which it is not accepted any more, leeway included."""


# --- keys


def key_of_jwk(jwk: Mapping[str, Any], *, takes_secrets: bool) -> Key:
    """The key in a JSON Web Key. Raises KeyUnusable for one of another use, and for a shared secret where none is
    taken."""
    kind, operations, algorithm = jwk.get("kty"), jwk.get("key_ops", ["verify"]), jwk.get("alg")
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise KeyUnusable("not for signatures")
    if kind == "oct" and not takes_secrets:
        raise KeyUnusable("a shared secret must be in a file")
    if not isinstance(kind, str) or kind not in _READERS:
        raise KeyUnusable("a key of unknown type")
    try:
        key = _key_of(_READERS[kind](dict(jwk)))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise KeyUnusable(f"malformed: {error}") from None
    if algorithm is None:
        return key
    if not isinstance(algorithm, str) or algorithm not in key.algorithms:
        raise KeyUnusable("its algorithm is not one for keys of its type")
    return Key(key.material, frozenset((algorithm,)))


def key_of_pem(data: bytes) -> Key:
    """The public key in a PEM file, or that of the certificate in it. Raises KeyUnusable."""
    try:
        if b"BEGIN CERTIFICATE" in data:
            return _key_of(x509.load_pem_x509_certificate(data).public_key())
        return _key_of(serialization.load_pem_public_key(data))
    except ValueError as error:
        raise KeyUnusable(f"no public key or certificate: {error}") from None


def _key_of(material: object) -> Key:
    if isinstance(material, bytes):
        return Key(material, HMAC_ALGORITHMS)
    public_key = getattr(material, "public_key", None)
    if public_key is not None:
        material = public_key()
    match material:
        case rsa.RSAPublicKey():
            return Key(material, RSA_ALGORITHMS)
        case ec.EllipticCurvePublicKey() if material.curve.name in EC_ALGORITHMS:
            return Key(material, frozenset((EC_ALGORITHMS[material.curve.name],)))
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return Key(material, frozenset(("EdDSA",)))
    raise KeyUnusable("a key of a type that signs no tokens")


# --- tokens


def key_id_of(token: bytes, rules: TokenRules) -> str:
    """The id of the key that a token says it is signed with; nothing is believed yet. Raises TokenRefused."""
    if len(token) > TOKEN_BYTES_MAX:
        raise TokenRefused("the token is too large")
    try:
        header = _JWS.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):  # whose text may have a part of it
        raise TokenRefused("it is no token") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
        raise TokenRefused("its algorithm is not accepted")
    key_id = header.get("kid", rules.default_key)
    if key_id is None:
        raise TokenRefused("it names no key, and there is no default key")
    assert isinstance(key_id, str), "the header was checked"
    return key_id


def verify(token: bytes, key: Key, rules: TokenRules, now_s: float) -> Token:
    """Accepts a token that is signed with the key and good at this Unix time. Raises TokenRefused."""
    try:
        payload = _JWS.decode(token, key.material, algorithms=sorted(key.algorithms & rules.algorithms) or ["-"])
    except jwt.InvalidKeyError as error:
        raise TokenRefused(f"its key cannot be used: {error}") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenRefused("signature_invalid") from None
    claims = _claims_of(payload)
    expires_at_s = _check_times(claims, rules, now_s)
    _check_parties(claims, rules)
    try:
        scopes = scopes_of(
            claims,
            resource_server_id=rules.resource_server_id,
            prefix=rules.prefix,
            more_paths=rules.more_scope_paths,
            aliases=rules.scope_aliases,
        )
    except TooManyScopes as error:
        raise TokenRefused(str(error)) from None
    names = (claims.get(claim) for claim in rules.name_claims)
    name = next((name for name in names if isinstance(name, str)), UNKNOWN_USER)
    return Token(name, Scopes(scopes, claims), expires_at_s)


def _claims_of(payload: bytes) -> dict[str, object]:
    try:
        claims = json.loads(payload)
        # Half a surrogate pair is a text to JSON, but to nobody else.
        json.dumps(claims, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise TokenRefused("its payload is not JSON") from None
    if not isinstance(claims, dict):
        raise TokenRefused("its payload has no claims")
    return claims


def _check_times(claims: Mapping[str, object], rules: TokenRules, now_s: float) -> float | None:
    """Checks that it is good now; returns the time from which it is not any more, or None."""
    begins_at_s, expires_at_s = _time(claims, "nbf"), _time(claims, "exp")
    if begins_at_s is not None and begins_at_s > now_s + rules.leeway_s:
        raise TokenRefused(f"Provided JWT token is not valid before timestamp {begins_at_s:.0f}")
    if expires_at_s is None:
        if rules.requires_expiry:
            raise TokenRefused("Provided JWT token has no exp claim")
        return None
    if math.trunc(expires_at_s) + rules.leeway_s <= math.trunc(now_s):
        raise TokenRefused(
            f"Provided JWT token has expired at timestamp {math.trunc(expires_at_s)} (validated at {math.trunc(now_s)})"
        )
    return math.trunc(expires_at_s) + rules.leeway_s


def _time(claims: Mapping[str, object], claim: str) -> float | None:
    """A Unix time in the claims."""
    if claim not in claims:
        return None
    at_s = claims[claim]
    if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not 0 <= at_s < 1 << 53:
        raise TokenRefused(f"Provided JWT token has an invalid {claim} claim: value is not a number")
    return at_s


def _check_parties(claims: Mapping[str, object], rules: TokenRules) -> None:
    """Checks who has made the token, and for whom."""
    if rules.issuer is not None and claims.get("iss") != rules.issuer:
        raise TokenRefused("it is of another issuer")
    if not rules.verify_aud:
        return
    audience = claims.get("aud")
    audiences = audience.split(" ") if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or rules.resource_server_id not in audiences:
        raise TokenRefused("it is for another audience")
