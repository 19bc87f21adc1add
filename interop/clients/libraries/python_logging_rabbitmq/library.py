"""python-logging-rabbitmq, which makes log records messages."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="python-logging-rabbitmq",
    language="Python",
    about="log records as messages, with pika",
    pip=("python-logging-rabbitmq==2.3.0",),
    programs=(Program("logs", ("python", "logs.py")),),
)
