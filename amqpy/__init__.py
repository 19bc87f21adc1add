"""amqpy: a RabbitMQ-compatible AMQP 0-9-1 broker in pure Python."""

__version__ = "0.1.0"
