"""The comparison with RabbitMQ over the stream protocol."""
