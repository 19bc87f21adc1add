"""Logging in over HTTP: the header with a user's name and password (Basic), or with a token (Bearer).

Each request is a login, as in RabbitMQ: there are no sessions.

Source: `rabbit_mgmt_util:is_authorized`, `cow_http_hd:parse_authorization`.
"""

import base64
import binascii
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl

from amqpy.core.events.events import COMMAND_LINE
from amqpy.core.principals import BackendUser, Principal
from amqpy.core.users import Authenticator, Credentials, LoginFailed, Users
from amqpy.management.access import MANAGEMENT_TAGS, NOT_A_MANAGEMENT_USER
from amqpy.management.answers import REALM, Malformed, Refusal, bad_request, login_failed, not_entitled
from amqpy.management.request import Request

TOKEN: Final = re.compile(r"(?=.)[\w\-.~+/]*=*", re.ASCII)
PARAMETERS: Final = re.compile(r'[\s,]*[\w-]+=(?:"(?:[^"\\]|\\.)*"|[\w!#$%&\'*+\-.^`|~]+)(?:\s*,[\s,]*|$)', re.ASCII)
"""One of the scheme Digest, which is known, and does not help."""

ONLY_LOCALHOST: Final = "User can only log in via localhost"


def credentials_of(header: str | None) -> Credentials:
    """The credentials in the header `Authorization`. Raises Refusal: 400 for nonsense, 401 if there are none."""
    scheme, _, rest = (header or "").strip().partition(" ")
    match scheme.lower():
        case "basic":
            return _of_basic(rest.strip())
        case "bearer" if TOKEN.fullmatch(rest):
            return Credentials("", rest.encode())
        case "digest" if rest and not PARAMETERS.sub("", rest):
            raise Refusal(401, headers=REALM)
    raise Refusal(401, headers=REALM) if header is None else Malformed


def of_header(request: Request) -> Credentials:
    return credentials_of(request.headers.get("authorization"))


def of_form(request: Request) -> Credentials:
    """The credentials in the body, which is a form with `username` and `password`."""
    try:
        form = dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"))
    except ValueError:
        form = {}
    return Credentials(form.get("username", ""), form.get("password", "").encode("utf-8", "surrogateescape"))


def cookie_of(request: Request, features: Collection[str]) -> str:
    """The cookie that a user who has logged in with a form is given, by what the version has (`Profile.management`)."""
    return f"auth={value_of(of_form(request))}{'; Version=1' if 'cookie-version' in features else ''}"


def value_of(credentials: Credentials) -> str:
    """A name and a password as they stand in the header `Authorization`."""
    name = credentials.user_name.encode("utf-8", "surrogateescape")
    return base64.b64encode(name + b":" + (credentials.password or b"")).decode()


def use_login_in_query(request: Request) -> None:
    """Takes what is in the parameters `auth` or `token` for what is in the header."""
    for parameter, scheme in (("auth", "Basic"), ("token", "Bearer")):
        if parameter in request.query:
            if scheme == "Basic":
                _check(request.query[parameter])
            request.headers = {**request.headers, "authorization": f"{scheme} {request.query[parameter]}"}
            return


def _check(text: str) -> None:
    """Raises Refusal for credentials in a query that cannot be read."""
    try:
        _of_basic(text)
    except Malformed:
        raise bad_request("bad_credentials") from None


def _of_basic(text: str) -> Credentials:
    try:
        name, colon, password = base64.b64decode("".join(text.split()), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        raise Malformed from None
    if not colon:
        raise Malformed
    return Credentials(name.decode("utf-8", "surrogateescape"), password)


class Logins:
    """Finds the user of a request. With an authenticator that is asked, as for a client's login."""

    def __init__(self, users: Users, authenticator: Authenticator | None) -> None:
        self._users = users
        self._authenticator = authenticator

    async def log_in(
        self, credentials: Credentials, *, from_loopback: bool, features: Collection[str] = ()
    ) -> Principal:
        """The user, who may use the management API. Raises Refusal."""
        try:
            user = await self._find(credentials)
        except LoginFailed:
            raise login_failed(features) from None
        try:
            self._users.check_loopback(user.name, from_loopback=from_loopback)
        except LoginFailed:
            raise not_entitled(ONLY_LOCALHOST) from None
        if not MANAGEMENT_TAGS & set(user.tags):
            raise not_entitled(NOT_A_MANAGEMENT_USER)
        return user

    async def _find(self, credentials: Credentials) -> Principal:
        if self._authenticator is None:
            return self._users.log_in(*credentials, from_loopback=True)
        found = await self._authenticator(credentials)
        return self._users.admit(found, from_loopback=True) if isinstance(found, str) else found


class ControlLogins(Logins):
    """Lets everybody in who may open the control socket, as one user that may do anything. It is none of the broker's
    users."""

    def __init__(self) -> None:
        pass

    async def log_in(
        self, credentials: Credentials, *, from_loopback: bool, features: Collection[str] = ()
    ) -> Principal:
        # Without any rights that could refuse something.
        return BackendUser(COMMAND_LINE, ("administrator",), ())
