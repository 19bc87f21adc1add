"""pika, with each of its adapters."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="pika",
    language="Python",
    about="RabbitMQ's own client for Python",
    pip=("pika==1.4.4",),
    programs=(
        Program("BlockingConnection", ("python", "blocking.py")),
        Program("BlockingConnection, errors", ("python", "blocking_errors.py")),
    ),
)
