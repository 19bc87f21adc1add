"""Values of JSON as AMQP has them: arguments, headers and properties."""

from amqpy.core.administration.tables import field_of, table_of
from amqpy.management.answers import bad_request
from amqpy.management.request import Body
from amqpy.wire.values import Table

__all__ = ["arguments_of", "field_of", "table_of"]


def arguments_of(body: Body, *, unread: bool = False) -> Table:
    """The arguments in a body, which may be left out. Raises Refusal, also for null.

    Where they are `unread`, RabbitMQ does not notice that they are a list, and shows none.
    """
    arguments = body.get("arguments", {})
    if arguments is None:
        raise bad_request("null_not_allowed")
    return {} if unread and isinstance(arguments, list) else table_of(arguments)
