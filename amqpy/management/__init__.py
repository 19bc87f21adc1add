"""The management API: RabbitMQ's plugin `rabbitmq_management` for HTTP, and its metrics.

`server` accepts connections, `application` speaks HTTP as RabbitMQ does, `resources` has the handlers: each is one
call, made in a turn of the broker. It is imported when somebody connects.
"""
