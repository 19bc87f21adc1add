"""Compares two servers of the stream protocol, RabbitMQ's and amqpy's: `python -m interop.parity_stream`."""
