"""A raw client of RabbitMQ's stream protocol, which can send anything and keeps all that it receives.

Nothing in it is amqpy's: a codec that both ends of a connection share could be wrong at both.
"""
