"""Values of JSON as AMQP has them: arguments, headers and properties."""

from amqpy.core.administration.tables import field_of, table_of

__all__ = ["field_of", "table_of"]
