"""What two brokers should have in common in an answer: the status, the headers that clients look at, the body."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from interop.parity_http.client import Answer
from interop.parity_http.masks import LEFT_OUT, unordered
from interop.parity_http.rules import ROOT, Path, rule_for

HEADERS = (
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-security-policy",
    "content-type",
    "location",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "www-authenticate",
)
"""Those that are compared."""

THERE = ("date", "etag", "last-modified")
"""Those of which it matters that they are there."""

CLUSTER_ID = re.compile(r"rabbitmq-cluster-id-[\w-]+")
CONNECTION = re.compile(r"127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+")
ESCAPED = re.compile(r"\\u(?!00[01])")
IN_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
HASH_AT_END = re.compile(r"(?<=~)[\w-]+$")


@dataclass(frozen=True)
class Shown:
    """An answer, with what may differ taken out of it."""

    status: int
    headers: Mapping[str, str]
    body: Any
    form: str = ""
    """The way in which the JSON is written, where it is another than compact and in UTF-8."""


class Normaliser:
    """Takes out the names that one run has made, and those of the node; and what the rules say."""

    def __init__(self, run_id: str, names: Sequence[str]) -> None:
        self._run_id = run_id
        self._names = [each for name in names for each in (name, quote(name, safe=""))]
        self._hosts = {f"@{host}" for _, at, host in (name.partition("@") for name in names) if at}

    def __call__(self, answer: Answer, resource: str, *, method: str = "GET") -> Shown:
        headers = {name: self.text(answer.headers[name]) for name in HEADERS if name in answer.headers}
        headers |= {name: "<there>" for name in THERE if name in answer.headers}
        if "location" in headers:
            headers["location"] = HASH_AT_END.sub("<hash>", headers["location"])
        if "content-length" in answer.headers:
            headers["content-length"] = length(answer, method)
        text = answer.body.decode("utf-8", "surrogateescape")
        if not headers.get("content-type", "").startswith("application/json"):
            return Shown(answer.status, headers, self.text(text))
        try:
            value = json.loads(text)
        except ValueError:
            return Shown(answer.status, headers, self.text(text), "no JSON" if text else "")
        return Shown(answer.status, headers, self.value(value, (ROOT,), resource), form_of(text))

    def text(self, text: str) -> str:
        for name in self._names:
            text = text.replace(name, "<node>")
        for host in self._hosts:
            text = text.replace(host, "@<host>")
        text = CLUSTER_ID.sub("<cluster id>", text.replace(self._run_id, "*"))
        return CONNECTION.sub("<connection>", text)

    def value(self, value: Any, path: Path, resource: str) -> Any:  # noqa: ANN401 - any JSON
        """The value with what the rules say hidden in it. Keys that are left out are not in an object."""
        rule = rule_for(path, resource)
        if rule is not None and rule.mask is not unordered:
            value = rule.mask(value)
        match value:
            case dict():
                inside = {self.text(key): self.value(inner, (*path, key), resource) for key, inner in value.items()}
                value = {key: inner for key, inner in inside.items() if inner is not LEFT_OUT}
            case list():
                value = [self.value(each, path, resource) for each in value]
            case str():
                value = self.text(value)
        return unordered(value) if rule is not None and rule.mask is unordered else value


def length(answer: Answer, method: str) -> str:
    told = answer.headers["content-length"]
    if told == "0":
        return "0"
    return "that of the body" if method == "HEAD" or told == str(len(answer.body)) else "another than that of the body"


def form_of(text: str) -> str:
    faults = {"white space": re.search(r"\s", IN_TEXT.sub("", text)), "escapes": ESCAPED.search(text)}
    return " and ".join(fault for fault, found in faults.items() if found)
