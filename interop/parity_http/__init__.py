"""Compares the answers of two management APIs, RabbitMQ's and amqpy's: `python -m interop.parity_http`."""
