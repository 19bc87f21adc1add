"""A description of the management API in OpenAPI 3.1, for programs that make clients and pages of one.

It is made of the table of routes: paths, methods, who may ask, and what their handlers say about themselves.

Source: the OpenAPI Specification 3.1.0.
"""

import inspect
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from amqpy.management import access
from amqpy.management.answers import JSON
from amqpy.management.documents import Document
from amqpy.management.lists import PAGE_SIZE, PAGE_SIZE_MAX, Listing
from amqpy.management.router import Endpoint, Resource, Router
from amqpy.management.schemas import BODIES, FLAG, INTEGER, QUERIES, TEXT, Schema
from amqpy.version import __version__

Object = dict[str, Any]

DESCRIPTION: Final = (
    "RabbitMQ's management API, as amqpy serves it. HEAD is there wherever GET is, and OPTIONS everywhere. A name in a "
    "path is percent-encoded: the default virtual host, `/`, is `%2F`. Keys that are not described here may be there."
)

PAGED: Final = frozenset(
    {
        *("/queues", "/queues/detailed", "/queues/{vhost}", "/exchanges", "/exchanges/{vhost}"),
        *("/connections", "/connections/username/{user}"),
        *("/channels", "/vhosts"),
    }
)
"""Lists that can be had in pages, in every version."""
PAGED_SINCE: Final = {"/users": "paged-users", "/users/without-permissions": "paged-users"}
"""The features with which others can."""

OF_LISTS: Final[dict[str, tuple[Schema, str]]] = {
    "sort": (TEXT, "The key to sort by; of one in an object, with dots."),
    "sort_reverse": (FLAG, "The order is the other way round."),
    "columns": (TEXT, "The keys to show, with commas between them."),
}
OF_PAGES: Final[dict[str, tuple[Schema, str]]] = {
    "page": (INTEGER | {"minimum": 1}, "The page to show: the answer is an object, with the list as its `items`."),
    "page_size": (INTEGER | {"minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE}, "Items on it."),
    "name": (TEXT, "A part of the names of those to show, if there is a page."),
    "use_regex": (FLAG, "That is a regular expression."),
}

ERRORS: Final = {
    "400": "The request cannot be read, or what it asks for cannot be done.",
    "401": "Nobody has logged in, or the user may not do this.",
    "404": "There is no such object.",
    "415": "The body has another type.",
    "503": "The check has failed, or there are too many live streams or taps.",
}


def document(router: Router, features: Collection[str], prefix: str) -> Object:
    """The description of what is served with these features of the profile, below a prefix."""
    resources = sorted((each for each in router if each.served(features)), key=lambda each: each.template)
    tags = {name: about for each in resources for name, about in _tags(each, features)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "amqpy management API", "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": f"{prefix}/api"}],
        "security": [{"basic": []}, {"bearer": []}],
        "tags": [{"name": name, "description": about} for name, about in sorted(tags.items())],
        "paths": {each.template: _path(each, features) for each in resources},
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": TEXT, "reason": {"type": ["string", "array", "null"]}},
                }
            },
            "responses": {
                status: {"description": text, "content": _json({"$ref": "#/components/schemas/Error"})}
                for status, text in ERRORS.items()
            },
        },
    }


def _tags(resource: Resource, features: Collection[str]) -> Iterator[tuple[str, str]]:
    for endpoint in resource.served(features).values():
        module = inspect.getmodule(endpoint.handle)
        yield tag_of(endpoint), _first_sentence(inspect.getdoc(module) or "")


def tag_of(endpoint: Endpoint) -> str:
    """The module of the handler, which is named as the kind of object."""
    return endpoint.handle.__module__.rpartition(".")[2]


def _path(resource: Resource, features: Collection[str]) -> Object:
    names = re.findall(r"{(\w+)}", resource.template)
    item: Object = {
        method.lower(): _operation(resource, method, endpoint, features)
        for method, endpoint in resource.served(features).items()
    }
    if names:
        item["parameters"] = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    return item


def _operation(resource: Resource, method: str, endpoint: Endpoint, features: Collection[str]) -> Object:
    words = re.sub(r"\W+", "-", resource.template).strip("-")
    about = inspect.getdoc(endpoint.handle) or ""
    operation: Object = {
        "operationId": f"{method.lower()}-{words}",
        "tags": [tag_of(endpoint)],
        "summary": _summary(resource, endpoint),
        "responses": _responses(resource, method, endpoint, features),
    }
    if about and not _is_nameless(endpoint):
        operation["description"] = about
    if endpoint.rule is access.public:
        operation["security"] = []
    elif entitled := inspect.getdoc(endpoint.rule):
        operation["x-access"] = entitled
    if method == "GET" and (parameters := list(_parameters(resource, endpoint, features))):
        operation["parameters"] = parameters
    if (schema := BODIES.get((method, resource.template))) is not None:
        content = {kind: {"schema": schema} for kind in endpoint.types or (JSON,)}
        operation["requestBody"] = {"content": content, "required": "required" in schema}
    return operation


def _is_nameless(endpoint: Endpoint) -> bool:
    return endpoint.handle.__name__ == "<lambda>"


def _summary(resource: Resource, endpoint: Endpoint) -> str:
    words = resource.template.strip("/") if _is_nameless(endpoint) else endpoint.handle.__name__.replace("_", " ")
    return words[:1].upper() + words[1:]


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".") + "."


def _parameters(resource: Resource, endpoint: Endpoint, features: Collection[str]) -> Iterator[Object]:
    kind = inspect.signature(endpoint.handle).return_annotation
    known = dict(OF_LISTS) if kind is Listing else {"columns": OF_LISTS["columns"]} if _has_columns(kind) else {}
    if is_paged(resource.template, features):
        known |= OF_PAGES
    known |= QUERIES.get(resource.template, {})
    for name, (schema, about) in known.items():
        yield {"name": name, "in": "query", "schema": schema, "description": about}


def _has_columns(kind: object) -> bool:
    return kind is Document or getattr(kind, "__origin__", None) in {dict, list}


def is_paged(template: str, features: Collection[str]) -> bool:
    """True if this list can be had in pages."""
    return template in PAGED or PAGED_SINCE.get(template) in features


def _responses(resource: Resource, method: str, endpoint: Endpoint, features: Collection[str]) -> Object:
    found = _good_responses(resource, method, endpoint, features)
    errors = ["400", "404"]
    if endpoint.rule is not access.public:
        errors.append("401")
    if endpoint.types:
        errors.append("415")
    if resource.template.startswith(("/health", "/live")):
        errors.append("503")
    return found | {status: {"$ref": f"#/components/responses/{status}"} for status in errors}


def _good_responses(resource: Resource, method: str, endpoint: Endpoint, features: Collection[str]) -> Object:
    done = {"204": {"description": "It is done."}}
    if method == "DELETE":
        return done
    if method == "PUT":
        return {"201": {"description": "It was made."}, "204": {"description": "It was there, and is so now."}}
    kind = inspect.signature(endpoint.handle).return_annotation
    schema = _schema_of(kind, resource, features) if endpoint.produces == JSON else TEXT
    shown = {"description": "It is shown.", "content": {endpoint.produces: {"schema": schema}}}
    if method == "GET":
        return {"200": shown}
    return {"200": shown, "201": {"description": "It was made; the header `location` says where it is."}, **done}


def _schema_of(kind: object, resource: Resource, features: Collection[str]) -> Schema:
    """The schema of an answer, by what the handler returns."""
    several: Schema = {"type": "array", "items": {"type": "object"}}
    if kind is Listing or getattr(kind, "__origin__", None) is list:
        return {"type": ["array", "object"]} if is_paged(resource.template, features) else several
    if kind is Document or getattr(kind, "__origin__", None) is dict:
        return {"type": "object"}
    return {}


def _json(schema: Schema) -> Object:
    return {JSON: {"schema": schema}}
