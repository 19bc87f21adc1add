"""Definitions of the whole broker, or of one virtual host: exported, and imported.

Source: `rabbit_mgmt_wm_definitions`.
"""

import re
from typing import Any, Final

from amqpy.core import definitions
from amqpy.core.administration.erlang_terms import Atom, as_erlang_term
from amqpy.core.definitions_import import OLD_IMPORTS, ErlangTerm, Import
from amqpy.core.vhost import Vhost
from amqpy.errors import AdministrationError, AmqpFault, erlang_string
from amqpy.management import access
from amqpy.management.answers import DONE, JSON, Answer, bad_request, missing
from amqpy.management.call import Call
from amqpy.management.documents import Document
from amqpy.management.forms import FORM, form_of
from amqpy.management.json_reader import read_json
from amqpy.management.lists import Listing
from amqpy.management.router import Router
from amqpy.management.turns import Later

ATOM: Final = re.compile("[a-z][a-z0-9_]*")

NO_FILE: Final = b"unknown"
"""The body, where a form has no file in it."""

BOM: Final = b"\xef\xbb\xbf"


def add_to(router: Router) -> None:
    for path in ("/definitions", "/definitions/{vhost}", "/all-configuration"):
        router.get(path, access.administrator)(export)
        router.post(path, access.administrator, types=(JSON, FORM))(import_all)
        router.takes_login_in_query(path)


def _vhost(call: Call) -> Vhost | None:
    """The virtual host that is named, or None if none is. Raises LookupError if it does not exist."""
    name = call.named_vhost
    return None if name is None else call.broker.vhosts[name]


def export(call: Call) -> Document:
    try:
        vhost = _vhost(call)
    except LookupError:
        raise bad_request("vhost_not_found") from None
    if vhost is None:
        sections = definitions.sections(call.broker, call.api.users)
    else:
        sections = definitions.sections_of_vhost(call.broker, vhost)
    name = call.request.query.get("download")
    headers = {}
    if name is not None:
        headers["content-disposition"] = f"attachment; filename={name.translate(_ENDS_OF_HEADERS)}"
    lists = {each.key: Listing(each.items, each.view) for each in sections}
    return Document(definitions.heading(call.broker, vhost), lists, headers)


_ENDS_OF_HEADERS: Final = dict.fromkeys(range(32))
"""Characters that would end a header, or are refused in one."""


def import_all(call: Call) -> Later:
    form = form_of(call.request)
    document = _document(call, call.request.body if form is None else form.get("file", NO_FILE))
    try:
        vhost = _vhost(call)
    except LookupError:
        raise missing("vhost_not_found") from None
    work = Import(call.broker, call.api.users, document, None if vhost is None else vhost.name)
    call.broker.scheduler.jobs.do(work.steps())

    def answer() -> Answer:
        if work.error is not None:
            is_raw = vhost is None and call.has(OLD_IMPORTS)
            raise bad_request(_raw_reason(work.error) if is_raw else _reason(work.error))
        if form is None or "redirect" not in form:
            return DONE
        location = form["redirect"].decode("utf-8", "replace").translate(_ENDS_OF_HEADERS)
        return Answer(303, headers={"location": location})

    return answer


def _raw_reason(error: AdministrationError | AmqpFault) -> object:
    """The reason that is given for the end of an import. A fault is shown as the record that it is in Erlang."""
    if isinstance(error, AmqpFault):
        return ["amqp_error", error.name.lower(), erlang_string(error.text), "none"]
    return error.text if error.term is None else error.term


def _reason(error: AdministrationError | AmqpFault) -> str:
    """The same as newer versions give it, and all of them for one virtual host: most is printed as a term."""
    if isinstance(error, AmqpFault):
        return f"{error.name.lower()}: {error.text}"
    match error.term:
        case ["vhost_limit_exceeded", _]:
            return error.text
        case ["no_such_vhost", "undefined"]:
            return "Virtual host does not exist and is not specified in definitions file."
        case ["no_such_vhost", name]:
            return f'Please create virtual host "{name}" prior to importing definitions.'
        case [str(tag), *values]:
            return as_erlang_term((Atom(tag), *map(_term, values)))
    if isinstance(error, ErlangTerm) or ATOM.fullmatch(error.text):
        return error.text
    return as_erlang_term(error.text if error.term is None else erlang_string(error.text))


def _term(value: object) -> object:
    """A value in a term: text is a binary, a list of octets a string, and any other list a tuple."""
    if isinstance(value, list) and not all(isinstance(each, int) for each in value):
        return tuple(map(_term, value))
    return value


def _document(call: Call, octets: bytes) -> dict[str, Any]:
    is_lenient = call.has("lenient-json")
    octets = octets.removeprefix(BOM if is_lenient else b"")
    if not octets:
        return {}
    try:
        value = read_json(octets, lenient=is_lenient)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise bad_request("failed_to_parse_json")
    return value
