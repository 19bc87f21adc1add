"""Users, and the passwords they log in with."""

import base64
import hashlib

from interop.parity.scenario import scenario
from interop.parity.script import Stage

SALT = b"\x01\x02\xfe\xff"


def hashed(algorithm: str, password: str) -> str:
    return base64.b64encode(SALT + hashlib.new(algorithm, SALT + password.encode()).digest()).decode()


def try_passwords(stage: Stage, user: str, *passwords: str) -> None:
    """Log in with each of these; the user needs no access to the virtual host for what is compared."""
    told = {"authentication_failure_close": True}
    for password in passwords:
        stage.connect(user=user, password=password, capabilities=told, record=True)


@scenario(each=["sha256", "sha512", "md5"])
def hashes(stage: Stage, algorithm: str) -> None:
    """A hash that was made elsewhere."""
    name = f"rabbit_password_hashing_{algorithm}"
    user = stage.admin.add_user_by_hash(hashed(algorithm, "known"), name)
    stage.admin.set_permissions(user, "/")
    try_passwords(stage, user, "known", "other", "")


@scenario()
def hashes_of_no_named_algorithm(stage: Stage) -> None:
    """They are of the one that is set: SHA-256."""
    user = stage.admin.add_user_by_hash(hashed("sha256", "known"))
    stage.admin.set_permissions(user, "/")
    try_passwords(stage, user, "known")


@scenario()
def no_password(stage: Stage) -> None:
    """With an empty password or none nobody gets in."""
    for label, user in (
        ("empty", stage.admin.add_user("empty", "")),
        ("none", stage.admin.add_user_by_hash("", label="none")),
    ):
        stage.admin.set_permissions(user, "/")
        stage.note(label)
        try_passwords(stage, user, "", "x")


@scenario()
def passwords_change(stage: Stage) -> None:
    """The old one counts no more; whoever is connected stays so."""
    user = stage.admin.add_user()
    stage.admin.set_permissions(user, "/")
    channel = stage.channel(user=user, password="hunter2")
    stage.admin.change_password(user, "other")
    try_passwords(stage, user, "hunter2", "other")
    channel.declare(exclusive=True)
    stage.admin.clear_password(user)
    try_passwords(stage, user, "other", "")
    channel.declare(exclusive=True)
