"""Values of JSON as AMQP has them: arguments and headers. Raises AdministrationError.

Source: `rabbit_misc:to_amqp_table`.
"""

from collections.abc import Mapping
from typing import Any

from amqpy.errors import AdministrationError
from amqpy.wire.values import Field, Table, array_field, table_field

KEY_BYTES_MAX = 255
INT64 = range(-(1 << 63), 1 << 63)
DEPTH_MAX = 100


def table_of(value: object) -> Table:
    """A table of AMQP; none is an empty one, and so is an empty list, as Erlang prints an empty object."""
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise AdministrationError("not_json")
    return _table(value, 0)


def _table(value: Mapping[str, Any], depth: int) -> Table:
    for key in value:
        if len(key.encode("utf-8", "surrogatepass")) > KEY_BYTES_MAX:
            raise AdministrationError(f"a key has more than {KEY_BYTES_MAX} bytes")
    return {key: field_of(inner, depth) for key, inner in value.items()}


def field_of(value: object, depth: int = 0) -> Field:
    """A field of AMQP: integers are long ones, fractions doubles."""
    if depth > DEPTH_MAX:
        raise AdministrationError("too deep")
    match value:
        case bool():
            return Field("bool", value)
        case int() if value in INT64:
            return Field("long", value)
        case int():
            raise AdministrationError("not_int64", term=["not_int64", value])
        case float():
            return Field("double", value)
        case str():
            return Field("longstr", value)
        case list():
            return array_field(field_of(each, depth + 1) for each in value)
        case dict():
            return table_field(_table(value, depth + 1))
    raise AdministrationError("null_not_allowed")
