"""The description of the API for programs."""

from functools import cache

from amqpy.management import access
from amqpy.management.answers import Answer, as_json
from amqpy.management.application import path_prefix_of
from amqpy.management.call import Call
from amqpy.management.openapi import document
from amqpy.management.router import Router


def add_to(router: Router) -> None:
    @cache
    def made(features: frozenset[str], prefix: str) -> bytes:
        return as_json(document(router, features, prefix))

    @router.get("/openapi.json", access.public)
    def show_description(call: Call) -> Answer:
        """In OpenAPI 3.1."""
        config = call.broker.config
        return Answer(200, made(frozenset(call.broker.profile.management), path_prefix_of(config)))
