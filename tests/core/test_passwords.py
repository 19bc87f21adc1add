"""Passwords: how they are kept, hashes from elsewhere, and validators."""

import base64
import hashlib
from typing import Any

import pytest

from amqpy.config import Config
from amqpy.config.values import ConfigError
from amqpy.core.durability.records import UserRecord
from amqpy.core.passwords import NO_PASSWORD, Password, hash_password, imported, is_password
from amqpy.core.users import LoginFailed, User
from amqpy.errors import AdministrationError
from tests.core.recorded import DurableHarness, core_with, restarted

SALT = b"salt"


def logged_in(core: DurableHarness, name: str, password: bytes) -> User | None:
    try:
        return core.users.log_in(name, password, from_loopback=True)
    except LoginFailed:
        return None


def refusal(core: DurableHarness, operation: str, *given: Any, **more: Any) -> str:  # noqa: ANN401
    """The text of the refusal, which changes and tells nothing."""
    before = core.journal.changes_count, list(core.users)
    with pytest.raises(AdministrationError) as caught:
        getattr(core.users, operation)(*given, **more)
    assert (core.journal.changes_count, list(core.users)) == before
    return caught.value.text


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "md5"])
def test_hashes_are_those_of_rabbitmq(algorithm: str) -> None:
    """`base64(salt + hash(salt + password))`."""
    kept = SALT + hashlib.new(algorithm, SALT + "pä".encode()).digest()
    assert hash_password("pä".encode(), SALT, algorithm) == kept
    password = imported(base64.b64encode(kept).decode(), f"rabbit_password_hashing_{algorithm}")
    assert password == Password(kept, algorithm) == imported(kept, algorithm)
    assert is_password("pä".encode(), password)
    assert not is_password(b"other", password)


def test_a_hash_that_rabbitmq_made() -> None:
    """The example of its documentation, with the salt 908DC60A."""
    kept = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    assert is_password(b"test12", imported(kept, "sha256"))


def test_nobody_has_no_password() -> None:
    for given in (b"", b"x", bytes(32)):
        assert not is_password(given, NO_PASSWORD)


def test_a_password_is_not_shown() -> None:
    password = Password(hash_password(b"hunter2", SALT), "sha256")
    assert "hunter2" not in repr(password)
    assert repr(password.hash) not in repr(password)
    assert repr(NO_PASSWORD) == "<no password>"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_new_passwords_are_hashed_as_it_is_set(algorithm: str) -> None:
    core = DurableHarness(password_hashing=algorithm)
    assert core.users.user("guest").password == Password(hash_password(b"guest", bytes(4), algorithm), algorithm)
    assert logged_in(core, "guest", b"guest")


def test_a_user_keeps_the_algorithm_of_its_password() -> None:
    core = core_with()
    core.users.add_user("old", password_hash=hash_password(b"old", SALT, "md5"), hashing_algorithm="md5")
    after = restarted(core, password_hashing="sha512")
    assert [user.password.algorithm for user in after.users] == ["sha256", "md5"]
    assert logged_in(after, "guest", b"guest")
    assert logged_in(after, "old", b"old")
    after.users.change_password("old", "new")
    after.users.change_password("guest", "new")
    assert [user.password.algorithm for user in after.users] == ["sha512", "sha512"]
    assert logged_in(after, "old", b"new")
    assert not logged_in(after, "old", b"old")
    assert restarted(after).users.user("old").password == after.users.user("old").password


def test_hashes_of_the_algorithm_that_is_set_need_not_name_it() -> None:
    core = DurableHarness(password_hashing="sha512")
    kept = hash_password(b"known", SALT, "sha512")
    core.users.add_user("u", password_hash=base64.b64encode(kept).decode())
    assert logged_in(core, "u", b"known")
    core.users.change_password_hash("u", hash_password(b"other", SALT, "md5"), "rabbit_password_hashing_md5")
    assert logged_in(core, "u", b"other")


@pytest.mark.parametrize(
    ("password_hash", "algorithm", "text"),
    [
        ("?", "sha256", "not_base64"),
        ("AAA", "sha256", "not_base64"),
        ("ä", "sha256", "not_base64"),
    ],
)
def test_hashes_that_are_none(password_hash: str | bytes, algorithm: str, text: str) -> None:
    core = core_with()
    given = {"password_hash": password_hash, "hashing_algorithm": algorithm}
    assert refusal(core, "add_user", "u", **given) == text
    assert refusal(core, "change_password_hash", "guest", *given.values()) == text
    assert logged_in(core, "guest", b"guest")


@pytest.mark.parametrize("algorithm", ["sha1", "rabbit_password", "rabbit_password_hashing_sha3"])
def test_no_password_has_a_hash_that_was_made_in_an_unknown_way(algorithm: str) -> None:
    core = core_with()
    core.users.add_user("u", password_hash=hash_password(b"known", SALT, "sha256"), hashing_algorithm=algorithm)
    assert core.users.user("u").password.algorithm_name == algorithm
    assert not logged_in(core, "u", b"known")


@pytest.mark.parametrize("octets", [b"abc", bytes(4), bytes(36)])
@pytest.mark.parametrize("algorithm", ["md5", "sha512"])
def test_a_hash_of_another_length_is_kept_and_is_that_of_no_password(octets: bytes, algorithm: str) -> None:
    core = core_with()
    core.users.add_user("u", password_hash=octets, hashing_algorithm=algorithm)
    assert core.users.user("u").password == Password(octets, algorithm)
    for password in (b"", b"abc", b"\0", octets):
        assert not logged_in(core, "u", password)


def test_a_hash_may_be_broken_into_lines() -> None:
    core = core_with()
    kept = hash_password(b"known", SALT)
    core.users.add_user("u", password_hash=base64.encodebytes(kept).decode())
    assert logged_in(core, "u", b"known")


def test_a_password_and_a_hash() -> None:
    text = "both_password_and_password_hash_are_provided"
    assert refusal(core_with(), "add_user", "u", "hunter2", password_hash=bytes(36)) == text


def test_users_without_a_password_cannot_log_in_with_any() -> None:
    core = core_with()
    core.users.add_user("without")
    core.users.add_user("empty hash", password_hash="")
    core.users.add_user("empty", "")
    core.facts()
    core.users.clear_password("guest")
    record = UserRecord("guest", b"", '["administrator"]', "{}", "sha256")
    assert [fact.record for fact in core.facts()] == [record]
    for name in ("without", "empty hash", "empty", "guest", "unknown"):
        assert not any(logged_in(core, name, password) for password in (b"", b"guest", bytes(4)))
    assert core.users.admit("guest", from_loopback=True).name == "guest", "by other means"


# --- validators


def test_any_password_will_do_by_default() -> None:
    core = core_with()
    core.users.add_user("u", "")
    core.users.change_password("u", "x")
    assert logged_in(core, "u", b"x")


@pytest.mark.parametrize(
    ("settings", "bad", "good", "text"),
    [
        (
            {"credential_validator": "min_password_length", "credential_validator_min_length": 6},
            "short",
            "sh\xf6rt",  # bytes count
            "minimum required password length is 6",
        ),
        (
            {"credential_validator": "min_password_length"},
            "four",
            "fivee",
            "minimum required password length is 5",
        ),
        (
            {"credential_validator": "password_regexp", "credential_validator_regexp": "[a-z][0-9]"},
            "abc",
            "xa1x",
            "provided password does not match the validator regular expression",
        ),
    ],
)
def test_passwords_that_are_not_good_enough(settings: dict[str, Any], bad: str, good: str, text: str) -> None:
    core = DurableHarness(default_pass="guest1", **settings)
    assert refusal(core, "add_user", "u", bad) == text
    assert refusal(core, "change_password", "guest", bad) == text
    assert refusal(core, "add_user", "u", "") == text
    core.users.add_user("u", good)
    core.users.change_password("guest", good)
    core.users.add_user("without")
    core.users.add_user("hashed", password_hash=hash_password(bad.encode(), SALT))
    assert logged_in(core, "hashed", bad.encode())


def test_the_default_users_password_must_be_good_enough() -> None:
    settings: dict[str, Any] = {"credential_validator": "min_password_length", "credential_validator_min_length": 6}
    with pytest.raises(ConfigError, match=r"^default_pass: minimum required password length is 6$"):
        DurableHarness(**settings)
    assert logged_in(restarted(core_with(), **settings), "guest", b"guest"), "where it is kept already"


def test_a_validator_by_pattern_needs_one() -> None:
    with pytest.raises(ConfigError, match="credential_validator_regexp must be set"):
        Config(credential_validator="password_regexp")
    with pytest.raises(ConfigError, match="credential_validator_regexp must be a regular expression"):
        Config(credential_validator_regexp="(")
