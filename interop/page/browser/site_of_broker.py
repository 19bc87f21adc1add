"""The broker behind the page: what there is in it, asked and made by way of its API."""

import base64
import json
import os
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

SITE = os.environ["MANAGEMENT_URL"]


def ask(method: str, path: str, body: object = None, *, user: str = "guest") -> Any:  # noqa: ANN401
    """The answer of the API, or None if it has no body. Users have their own names as passwords. Raises HTTPError."""
    with urlopen(_request(method, path, body, user), timeout=60) as response:
        text = response.read()
    return json.loads(text) if text else None


def _request(method: str, path: str, body: object, user: str) -> Request:
    credentials = base64.b64encode(f"{user}:{user}".encode()).decode()
    headers = {"authorization": f"Basic {credentials}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    return Request(f"{SITE}api{path}", data, headers, method=method)


def at(*segments: str) -> str:
    """A path of the API."""
    return "".join(f"/{quote(each, safe='')}" for each in segments)


def names(path: str) -> set[str]:
    return {each["name"] for each in ask("GET", path)}
