"""Scopes: which ones of a token count, and what they permit.

What is expected of patterns was asked of RabbitMQ 3.10.8 where it may surprise.
"""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.auth.scopes import SCOPES_MAX, Scopes, TooManyScopes, expanded, grant_of, matches, scopes_of


def scopes_in(claims: Mapping[str, object], **more: object) -> tuple[str, ...]:
    return scopes_of(claims, **({"resource_server_id": "rmq", "prefix": "rmq."} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (["rmq.read:*/*", "rmq.tag:a"], ("read:*/*", "tag:a")),
        ("rmq.read:*/* rmq.tag:a", ("read:*/*", "tag:a")),
        ("  rmq.a   rmq.b ", ("a", "b")),
        (["rmq.a rmq.b"], ("a rmq.b",)),
        (["rmq.a", "rmq.a"], ("a",)),
        (["other.a", "openid", "rmqa", "rmq.a"], ("a",)),
        (["rmq.a", 1, None, ["rmq.b"], {}], ("a",)),
        (7, ()),
        (None, ()),
        ({"rmq": ["a"]}, ()),
    ],
)
def test_the_scope_claim(claim: object, expected: tuple[str, ...]) -> None:
    assert scopes_in({"scope": claim}) == expected


@pytest.mark.parametrize(
    ("prefix", "expected"), [("rmq.", ("a",)), ("", ("rmq.a", "api://b")), ("api://", ("b",)), ("x", ())]
)
def test_the_prefix(prefix: str, expected: tuple[str, ...]) -> None:
    assert scopes_in({"scope": "rmq.a api://b"}, prefix=prefix) == expected


@pytest.mark.parametrize(
    ("path", "claims", "expected"),
    [
        ("roles", {"roles": ["rmq.a"]}, ("a",)),
        ("roles", {"roles": "rmq.a rmq.b"}, ("a", "b")),
        ("roles", {"roles": {"rmq": ["a"], "other": ["b"]}}, ("a",)),
        ("roles", {"roles": {"rmq": "a b"}}, ("a", "b")),
        ("roles", {"roles": {"other": ["a"]}}, ()),
        ("realm.roles", {"realm": {"roles": ["rmq.a"]}}, ("a",)),
        ("realm.roles", {"realm": [{"roles": ["rmq.a"]}, 3, {"roles": "rmq.b"}, {}]}, ("a", "b")),
        ("realm.roles", {"realm": ["roles"]}, ()),
        ("realm.roles", {"realm": "roles"}, ()),
        ("realm.roles", {"realm.roles": ["rmq.a"]}, ()),
        ("roles", {}, ()),
        (".", {"": ["rmq.a"]}, ()),
    ],
)
def test_more_claims_with_scopes(path: str, claims: dict[str, object], expected: tuple[str, ...]) -> None:
    assert scopes_in(claims, more_paths=(path,)) == expected
    assert scopes_in(claims | {"scope": "rmq.z"}, more_paths=(path,)) == ("z", *expected)


def test_keycloaks_permissions() -> None:
    claims = {"authorization": {"permissions": [{"rsname": "x", "scopes": ["rmq.a", "other"]}, {"scopes": ["rmq.b"]}]}}
    assert scopes_in(claims) == ("a", "b")


def test_aliases_stand_for_scopes() -> None:
    aliases = {"admin": ["rmq.tag:administrator", "rmq.read:*/*"], "rmq.dev": ["rmq.write:*/*"], "a": ["admin"]}
    assert scopes_in({"scope": "admin"}, aliases=aliases) == ("tag:administrator", "read:*/*")
    assert scopes_in({"scope": "rmq.dev"}, aliases=aliases) == ("dev", "write:*/*")
    assert scopes_in({"roles": ["admin"]}, aliases=aliases, more_paths=("roles",)) == (
        "tag:administrator",
        "read:*/*",
    )
    assert scopes_in({"scope": "a"}, aliases=aliases) == (), "an alias of an alias is none"


def test_too_many() -> None:
    many = [f"rmq.{number}" for number in range(SCOPES_MAX)]
    assert len(scopes_in({"scope": many})) == SCOPES_MAX
    assert len(scopes_in({"scope": [*many, "other.1"]})) == SCOPES_MAX
    with pytest.raises(TooManyScopes):
        scopes_in({"scope": [*many, "rmq.more"]})


VALUES = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["scope", "roles", "authorization"]), VALUES))
def test_any_claims_can_be_read(claims: dict[str, object]) -> None:
    assert all(isinstance(scope, str) for scope in scopes_in(claims, prefix="", more_paths=("roles", "roles.x")))


# --- patterns


@pytest.mark.parametrize(
    ("subject", "pattern"),
    [
        ("", ""),
        ("", "*"),
        ("abc", "abc"),
        ("abc", "*"),
        ("abc", "a*"),
        ("a", "a*"),
        ("abc", "*c"),
        ("abc", "a*c"),
        ("ac", "a*c"),
        ("abcbd", "a*b*d"),
        ("abc", "a**c"),
        ("a/b", "a%2Fb"),
        ("a/b", "a%2fb"),
        ("*", "%2A"),
        ("%", "%25"),
        ("/", "%2F"),
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("größe", "größe"),
        ("x\udcff", "x*"),
    ],
)
def test_a_pattern_matches(subject: str, pattern: str) -> None:
    assert matches(subject, pattern)


@pytest.mark.parametrize(
    ("subject", "pattern"),
    [
        ("abc", ""),
        ("", "a"),
        ("abc", "ab"),
        ("abc", "bc"),
        ("abc", "ABC"),
        ("abc", "a*d"),
        ("abc", "b*"),
        ("abc", "*b"),
        ("a", "a*a"),
        ("anything", "%2A"),
        ("a", "%"),
        ("a%", "a%"),
        ("a%zz", "a%zz"),
        ("a", "a%2"),
        ("a.log.log", "*.log"),  # a usual wildcard would
        ("a", "a**"),
        ("a", ".*"),
        ("ab", "a?"),
        ("/", "%252F"),
    ],
)
def test_a_pattern_does_not_match(subject: str, pattern: str) -> None:
    assert not matches(subject, pattern)


@given(st.text(), st.text(alphabet="ab*%2F/+{}."))
def test_a_pattern_never_matches_more_than_a_usual_wildcard(subject: str, pattern: str) -> None:
    if matches(subject, pattern) and "%" not in pattern and "+" not in pattern:
        pieces = pattern.split("*")
        assert subject.startswith(pieces[0])
        assert subject.endswith(pieces[-1])
        assert pattern.count("*") or subject == pattern


# --- permissions

ALICE = {"sub": "alice", "n": 7, "team": "a/b*", "vhost": "not this"}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("read:{vhost}/q", "read:%2F/q"),
        ("read:*/{sub}-*", "read:*/alice-*"),
        ("read:*/{team}", "read:*/a%2Fb%2A"),
        ("read:*/{nobody}", "read:*/nobody"),
        ("read:*/{n}", "read:*/n"),
        ("read:*/{}", "read:*/"),
        ("read:*/{sub}{sub}", "read:*/alicealice"),
        ("read:*/x}", "read:*/x}"),
        ("read:*/{sub", ""),
        ("read:*/{{sub}}", ""),
        ("read:*/q", "read:*/q"),
    ],
)
def test_variables(scope: str, expected: str) -> None:
    assert expanded(scope, "/", ALICE) == expected


@pytest.mark.parametrize(
    "scope",
    ["", "read", "read:", "read:*", "read:a/b/c/d", "Read:*/*", "delete:*/*", "tag:a", " read:*/*", "read.*/*"],
)
def test_what_is_no_permission(scope: str) -> None:
    assert grant_of(scope) is None


def test_each_verb_is_its_own() -> None:
    for verb in ("configure", "write", "read"):
        scopes = Scopes([f"{verb}:v/q"], {})
        assert [each for each in ("configure", "write", "read") if scopes.permit("v", each, "q")] == [verb]
        assert not scopes.permit("w", verb, "q")
        assert not scopes.permit("v", verb, "p")


def test_entry_by_any_permission_scope() -> None:
    scopes = Scopes(["read:a/nothing", "write:b*/x/y", "tag:administrator"], {})
    assert [vhost for vhost in ("a", "b", "bb", "c", "/") if scopes.permit_entry(vhost)] == ["a", "b", "bb"]
    assert Scopes(["read:%2F/*"], {}).permit_entry("/")
    assert not Scopes(["tag:administrator", "read:broken"], {}).permit_entry("/")


def test_topics_need_the_third_part() -> None:
    two, three = Scopes(["write:*/*", "read:*/*"], {}), Scopes(["write:*/logs/app.*"], {})
    assert not two.permit_topic("/", "write", "logs", "app.x")
    assert three.permit_topic("/", "write", "logs", "app.x")
    assert not three.permit_topic("/", "write", "logs", "db.x")
    assert not three.permit_topic("/", "write", "other", "app.x")
    assert not three.permit_topic("/", "read", "logs", "app.x")
    assert three.permit("/", "write", "logs")
    assert Scopes(["write:*/*/*"], {}).permit_topic("/", "write", "logs", "")


def test_a_user_cannot_widen_what_is_for_its_name() -> None:
    scopes = Scopes(["read:{vhost}/{sub}.*"], {"sub": "*"})
    assert not scopes.permit("/", "read", "somebody.q")
    assert scopes.permit("/", "read", "*.q")
    assert scopes.permit("other", "read", "*.q"), "the variable is that of the virtual host asked about"


def test_tags() -> None:
    assert Scopes(["tag:monitoring", "tag:administrator", "tag:monitoring", "read:*/*"], {}).tags == (
        "administrator",
        "monitoring",
    )
