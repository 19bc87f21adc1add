"""A matrix of message sizes, of who reads when, and of what is done: each cell on RabbitMQ and on amqpy."""
