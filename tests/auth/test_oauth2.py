"""Tokens: what is accepted, and every attack on that which is known to have worked somewhere."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from amqpy.auth.oauth2 import (
    EC_ALGORITHMS,
    HMAC_ALGORITHMS,
    RSA_ALGORITHMS,
    TOKEN_BYTES_MAX,
    Key,
    KeyUnusable,
    Token,
    TokenRefused,
    TokenRules,
    key_id_of,
    key_of_jwk,
    key_of_pem,
    verify,
)
from amqpy.config.auth import ALGORITHMS
from tests.auth.issuer import ISSUER, NOW_S, SECRET, claims, ec_key, ed_key, jwk, pem, raw_token, rsa_key, token

RULES = TokenRules("rmq", "rmq.", frozenset(ALGORITHMS), issuer=ISSUER)
RSA_KEY = key_of_pem(pem(rsa_key()))
NOW = int(NOW_S)


def accepted(told: bytes, rules: TokenRules = RULES, key: Key = RSA_KEY, now_s: float = NOW_S) -> Token:
    key_id_of(told, rules)
    return verify(told, key, rules, now_s)


def refusal(told: bytes, rules: TokenRules = RULES, key: Key = RSA_KEY, now_s: float = NOW_S) -> str:
    with pytest.raises(TokenRefused) as refused:
        accepted(told, rules, key, now_s)
    return str(refused.value)


def test_a_good_token() -> None:
    found = accepted(token())
    assert (found.user_name, found.expires_at_s, found.scopes.tags) == ("alice", NOW + 60, ())
    assert found.scopes.permit("/", "read", "q")
    assert key_id_of(token(), RULES) == "k"


# --- algorithms and keys


@pytest.mark.parametrize("algorithm", [each for each in ALGORITHMS if each[:2] in {"RS", "PS"}])
def test_rsa(algorithm: str) -> None:
    assert accepted(token(algorithm=algorithm)).user_name == "alice"
    assert refusal(token(rsa_key("other"), algorithm)) == "signature_invalid"


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()])
def test_elliptic_curves(curve: ec.EllipticCurve) -> None:
    private, other = ec.generate_private_key(curve), ec.generate_private_key(curve)
    algorithm = EC_ALGORITHMS[curve.name]
    for key in key_of_pem(pem(private)), key_of_jwk(jwk(private), takes_secrets=False):
        assert key.algorithms == {algorithm}
        assert accepted(token(private, algorithm), key=key).user_name == "alice"
        assert refusal(token(other, algorithm), key=key) == "signature_invalid"


def test_edwards_curves() -> None:
    for key in key_of_pem(pem(ed_key())), key_of_jwk(jwk(ed_key()), takes_secrets=False):
        assert accepted(token(ed_key(), "EdDSA"), key=key).user_name == "alice"


@pytest.mark.parametrize("algorithm", sorted(HMAC_ALGORITHMS))
def test_shared_secrets(algorithm: str) -> None:
    key = key_of_jwk(jwk(SECRET), takes_secrets=True)
    assert accepted(token(SECRET, algorithm), key=key).user_name == "alice"
    assert refusal(token(SECRET[::-1], algorithm), key=key) == "signature_invalid"
    assert "a secret" not in repr(key)


def test_no_algorithm_is_none() -> None:
    for name in ("none", "None", "NONE", ""):
        for signature in (b"", b"x"):
            assert refusal(raw_token({"alg": name, "kid": "k"}, claims(), signature)) == "its algorithm is not accepted"
    assert refusal(raw_token({"kid": "k"}, claims())) == "its algorithm is not accepted"
    none_too = replace(RULES, algorithms=RULES.algorithms | {"none"})
    assert refusal(raw_token({"alg": "none", "kid": "k"}, claims()), none_too) == "signature_invalid"


@pytest.mark.parametrize("algorithm", sorted(HMAC_ALGORITHMS))
@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_a_public_key_is_no_shared_secret(algorithm: str, form: str) -> None:
    """Whoever can read the public key could sign with it, if the token's word were taken for the algorithm."""
    public = pem(rsa_key())
    der = base64.b64decode(b"".join(public.splitlines()[1:-1]))
    secret = {"pem": public, "der": der, "jwk": json.dumps(jwk(rsa_key())).encode()}[form]
    forged = forge(algorithm, secret)
    assert refusal(forged) == "signature_invalid"
    assert refusal(forged, key=Key(secret, RSA_ALGORITHMS)) == "signature_invalid"


def forge(algorithm: str, secret: bytes) -> bytes:
    """A token signed with something that PyJWT itself would not sign with."""
    signed, _, _ = raw_token({"alg": algorithm, "kid": "k"}, claims()).rpartition(b".")
    signature = hmac.digest(secret, signed, getattr(hashlib, f"sha{algorithm[2:]}"))
    return signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")


def test_a_forged_token_is_well_made() -> None:
    """Or the tests with forged ones would show nothing."""
    assert accepted(forge("HS256", SECRET), key=key_of_jwk(jwk(SECRET), takes_secrets=True)).user_name == "alice"


def test_a_key_is_for_its_algorithms_only() -> None:
    assert refusal(token(algorithm="RS512"), key=key_of_jwk(jwk(rsa_key(), alg="RS256"), takes_secrets=False)) == (
        "signature_invalid"
    )
    assert refusal(token(ec_key(), "ES256")) == "signature_invalid"
    assert refusal(token(), key=key_of_pem(pem(ec_key()))) == "signature_invalid"


def test_only_the_algorithms_that_are_allowed() -> None:
    rules = replace(RULES, algorithms=frozenset(("ES256",)))
    assert refusal(token(), rules) == "its algorithm is not accepted"
    assert verify(token(), RSA_KEY, RULES, NOW_S).user_name == "alice"
    with pytest.raises(TokenRefused, match="signature_invalid"):
        verify(token(), RSA_KEY, rules, NOW_S)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told[:-1],
        lambda told: told + b"A",
        lambda told: told.rpartition(b".")[0] + b".",
        lambda told: told.replace(told.split(b".")[1], raw_token(claims(sub="root"), "").split(b".")[0]),
        lambda told: told.replace(told.split(b".")[0], raw_token({"alg": "RS256", "kid": "j"}, "").split(b".")[0]),
    ],
    ids=["shorter", "longer", "unsigned", "other claims", "another header"],
)
def test_a_token_that_was_changed(change: Callable[[bytes], bytes]) -> None:
    assert refusal(change(token())) in {"signature_invalid", "it is no token"}


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"guest",
        b".",
        b"..",
        b"a.b.c",
        b"\xff\xfe.\x00.\x01",
        raw_token([], claims()),
        raw_token(b"{", claims()),
        raw_token({"alg": ["RS256"], "kid": "k"}, claims()),
        raw_token({"alg": "RS256", "kid": 5}, claims()),
        raw_token({"alg": "RS256", "kid": "k", "crit": ["exp"], "exp": 1}, claims()),
        raw_token({"alg": "RS256", "kid": "k", "b64": False, "crit": ["b64"]}, claims()),
        raw_token(b"[" * 20_000, claims()),
    ],
)
def test_what_is_no_token(told: bytes) -> None:
    assert refusal(told) in {"it is no token", "its algorithm is not accepted"}


def test_a_token_may_not_be_of_any_size() -> None:
    assert refusal(b"a" * (TOKEN_BYTES_MAX + 1)) == "the token is too large"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(told: bytes) -> None:
    assert refusal(told)


def test_keys_in_the_header_are_not_believed() -> None:
    """`jwk` and `jku` say which key to take: the attacker's."""
    theirs = rsa_key("attacker")
    told = token(theirs, headers={"jwk": jwk(theirs), "jku": "https://attacker.example/keys", "x5u": "x"})
    assert refusal(told) == "signature_invalid"


# --- the id of the key


def test_a_token_without_the_id_of_a_key() -> None:
    assert refusal(token(key_id=None)) == "it names no key, and there is no default key"
    rules = replace(RULES, default_key="d")
    assert key_id_of(token(key_id=None), rules) == "d"
    assert key_id_of(token(), rules) == "k"


# --- times


@pytest.mark.parametrize(
    ("exp", "leeway_s", "is_good"),
    [
        (NOW + 1, 0, True),
        (NOW, 0, False),
        (NOW - 1, 0, False),
        (NOW + 0.9, 0, False),
        (NOW - 29, 30, True),
        (NOW - 30, 30, False),
    ],
)
def test_expiry(exp: float, leeway_s: int, is_good: bool) -> None:
    rules = replace(RULES, leeway_s=leeway_s)
    if is_good:
        assert accepted(token(exp=exp), rules).expires_at_s == int(exp) + leeway_s
    else:
        text = f"Provided JWT token has expired at timestamp {int(exp)} (validated at {NOW})"
        assert refusal(token(exp=exp), rules) == text


@pytest.mark.parametrize(("nbf", "leeway_s", "is_good"), [(NOW, 0, True), (NOW + 1, 0, False), (NOW + 30, 30, True)])
def test_a_token_of_the_future(nbf: int, leeway_s: int, is_good: bool) -> None:
    rules = replace(RULES, leeway_s=leeway_s)
    if is_good:
        assert accepted(token(nbf=nbf), rules).user_name == "alice"
    else:
        assert refusal(token(nbf=nbf), rules) == f"Provided JWT token is not valid before timestamp {nbf}"


def test_a_token_that_never_expires() -> None:
    assert refusal(token(exp=None)) == "Provided JWT token has no exp claim"
    assert accepted(token(exp=None), replace(RULES, requires_expiry=False)).expires_at_s is None


@pytest.mark.parametrize("at", ["never", "9999999999", True, [], {}, -1, 1e300, 1 << 60, float("nan"), float("inf")])
@pytest.mark.parametrize("claim", ["exp", "nbf"])
def test_what_is_no_time(claim: str, at: object) -> None:
    changes: dict[str, Any] = {claim: at}
    signed = token(**changes)
    text = f"Provided JWT token has an invalid {claim} claim: value is not a number"
    assert refusal(signed) == text
    assert refusal(signed, replace(RULES, requires_expiry=False)) == text


# --- whose, and for whom


@pytest.mark.parametrize("aud", ["rmq", "other rmq", ["rmq"], ["other", "rmq", 1]])
def test_the_audience(aud: object) -> None:
    assert accepted(token(aud=aud)).user_name == "alice"


@pytest.mark.parametrize("aud", [None, "", "other", "rmq2", "rmq,other", ["other"], [], ["other rmq"], {"rmq": 1}, 5])
def test_another_audience(aud: object) -> None:
    assert refusal(token(aud=aud)) == "it is for another audience"
    assert accepted(token(aud=aud), replace(RULES, verify_aud=False)).user_name == "alice"


@pytest.mark.parametrize("iss", [None, "https://issuer.example/realm/", "https://attacker.example", ["x"], 1])
def test_another_issuer(iss: object) -> None:
    assert refusal(token(iss=iss)) == "it is of another issuer"
    assert accepted(token(iss=iss), replace(RULES, issuer=None)).user_name == "alice"


# --- the user


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"sub": "s", "client_id": "c", "user_name": "u"}, "s"),
        ({"sub": None, "client_id": "c"}, "c"),
        ({"sub": None}, "unknown"),
        ({"sub": 5, "client_id": ["c"]}, "unknown"),
        ({"sub": ""}, ""),
    ],
)
def test_the_name(told: dict[str, Any], expected: str) -> None:
    assert accepted(token(**told)).user_name == expected


def test_preferred_claims() -> None:
    rules = replace(RULES, name_claims=("user_name", "email", "sub"))
    assert accepted(token(user_name="u", email="e"), rules).user_name == "u"
    assert accepted(token(email="e"), rules).user_name == "e"
    assert accepted(token(user_name=["u"]), rules).user_name == "alice"


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"no json", "its payload is not JSON"),
        (b"[" * 40_000, "its payload is not JSON"),
        (b'{"sub": "\\ud800"}', "its payload is not JSON"),
        (b"\xff", "its payload is not JSON"),
        (b'["sub"]', "its payload has no claims"),
        (b"null", "its payload has no claims"),
    ],
)
def test_payloads_that_are_signed_and_no_claims(payload: bytes, text: str) -> None:
    signed = jwt.PyJWS().encode(payload, rsa_key(), "RS256", headers={"kid": "k"})
    assert refusal(signed.encode()) == text


def test_more_scopes_than_there_may_be() -> None:
    assert refusal(token(scope=[f"rmq.{n}" for n in range(2049)])) == "too many scopes: 2049"


# --- keys that are none


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (jwk(rsa_key(), use="enc"), "not for signatures"),
        (jwk(rsa_key(), key_ops=["sign"]), "not for signatures"),
        (jwk(rsa_key(), key_ops=5), "not for signatures"),
        (jwk(SECRET), "a shared secret must be in a file"),
        ({"kty": "new"}, "a key of unknown type"),
        ({"kty": ["RSA"]}, "a key of unknown type"),
        ({}, "a key of unknown type"),
        ({"kty": "RSA"}, "malformed: "),
        ({"kty": "RSA", "n": 5, "e": "AQAB"}, "malformed: "),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "malformed: "),
        (jwk(rsa_key(), alg="HS256"), "its algorithm is not one for keys of its type"),
        (jwk(rsa_key(), alg="none"), "its algorithm is not one for keys of its type"),
        (jwk(rsa_key(), alg=["RS256"]), "its algorithm is not one for keys of its type"),
        (jwk(ec_key(), alg="ES384"), "its algorithm is not one for keys of its type"),
    ],
)
def test_keys_that_cannot_be_used(told: dict[str, object], text: str) -> None:
    with pytest.raises(KeyUnusable) as refused:
        key_of_jwk(told, takes_secrets=False)
    assert str(refused.value).startswith(text)


def test_a_key_in_a_certificate() -> None:
    certificate = trustme.CA().issue_cert("issuer.example").cert_chain_pems[0].bytes()
    assert key_of_pem(certificate).algorithms == {"ES256"}


def test_a_private_key_is_no_public_one() -> None:
    """An operator who gives the broker the private key is told."""
    private = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data in (private, b"", b"nonsense", pem(dsa.generate_private_key(2048))):
        with pytest.raises(KeyUnusable):
            key_of_pem(data)


def test_weak_keys_verify_nothing() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    signed = raw_token({"alg": "RS256", "kid": "k"}, claims(), b"x" * 128)
    assert refusal(signed, key=key_of_pem(pem(weak))).startswith("its key cannot be used: ")
    short = key_of_jwk(jwk(b"short"), takes_secrets=True)
    assert refusal(forge("HS256", b"short"), key=short).startswith("its key cannot be used: ")
