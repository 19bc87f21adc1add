"""The version of this amqpy, as clients and `amqpy --version` are told it."""

__version__ = "0.1.0"
