"""An issuer of tokens: its keys, and tokens signed with them, good ones and others."""

import base64
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example/realm"
NOW_S = 1_700_000_000.5
SECRET = b"a secret of at least sixty-four octets, which HS512 wants to have, too"


@cache
def rsa_key(name: str = "first") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:  # noqa: ANN401 (any private key)
    """The public key in a file."""
    public: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def jwk(key: Any, **more: object) -> dict[str, Any]:  # noqa: ANN401
    """The public key as the issuer publishes it."""
    if isinstance(key, bytes):
        return {"kty": "oct", "k": base64.urlsafe_b64encode(key).decode().rstrip("="), **more}
    kinds: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((kind for each, kind in kinds.items() if isinstance(key, each)), OKPAlgorithm)
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


def claims(**changes: object) -> dict[str, object]:
    """Good claims; what is changed to None is left out."""
    told: dict[str, object] = {
        "iss": ISSUER,
        "aud": "rmq",
        "sub": "alice",
        "exp": int(NOW_S) + 60,
        "scope": ["rmq.read:*/*", "rmq.write:*/*", "rmq.configure:*/*"],
    } | changes
    return {name: value for name, value in told.items() if value is not None}


def token(
    key: Any = None,  # noqa: ANN401
    algorithm: str = "RS256",
    key_id: str | None = "k",
    headers: dict[str, Any] | None = None,
    **changes: Any,  # noqa: ANN401 (what JSON can say)
) -> bytes:
    """A token that is good but for what is changed."""
    named = {} if key_id is None else {"kid": key_id}
    key = rsa_key() if key is None else key
    payload = json.dumps(claims(**changes)).encode()
    return jwt.PyJWS().encode(payload, key, algorithm, headers={**named, **(headers or {})}).encode()


def raw_token(header: object, payload: object, signature: bytes = b"") -> bytes:
    """A token as no library would write it."""
    parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload)]
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (*parts, signature))
