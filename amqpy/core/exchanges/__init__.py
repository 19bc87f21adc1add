"""Exchanges, which route messages to queues.

A type of exchange is a class in a module of its own, registered in EXCHANGE_TYPES under its wire name.
"""

from amqpy.core.exchanges.exchange import EXCHANGE_TYPES, Binding, Destination, Exchange, exchange_type

# Registers the types. Their order is that of the documents.
from amqpy.core.exchanges import direct, fanout, topic, headers, consistent_hash, random, modulus_hash  # isort: skip
from amqpy.core.exchanges import recent_history, delayed, message_deduplication  # isort: skip

__all__ = [
    "EXCHANGE_TYPES",
    "Binding",
    "Destination",
    "Exchange",
    "consistent_hash",
    "delayed",
    "direct",
    "exchange_type",
    "fanout",
    "headers",
    "message_deduplication",
    "modulus_hash",
    "random",
    "recent_history",
    "topic",
]
