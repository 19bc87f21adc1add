"""rabbitmq-stream-js-client: our program."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="rabbitmq-stream-js-client",
    language="Node",
    about="the stream protocol, from RabbitMQ's users",
    npm=("rabbitmq-stream-js-client@1.0.0",),
    programs=(Program("streams", ("node", "streams.mjs"), streams=True, management=True),),
    remarks=("It needs RabbitMQ 3.11 or newer.",),
)
