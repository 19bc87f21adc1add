"""Exchanges: where a message goes.

A type of exchange is a class, registered in EXCHANGE_TYPES under its wire name: the four of the specification in
`standard`, those that RabbitMQ's plugins (and 4.x's core) add in modules of their own.
"""

from amqpy.core.exchanges.exchange import EXCHANGE_TYPES, Binding, Destination, Exchange, exchange_type

# Registers the types. Their order is that of the documents.
from amqpy.core.exchanges.standard import DirectExchange, TopicExchange  # isort: skip
from amqpy.core.exchanges import consistent_hash, one_of_many, recent_history, delayed, deduplicating  # isort: skip

__all__ = [
    "EXCHANGE_TYPES",
    "Binding",
    "Destination",
    "DirectExchange",
    "Exchange",
    "TopicExchange",
    "consistent_hash",
    "deduplicating",
    "delayed",
    "exchange_type",
    "one_of_many",
    "recent_history",
]
