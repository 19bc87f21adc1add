"""pika, with each of its adapters."""

from interop.clients.library import Library, Program

POLLERS = ("epoll", "poll", "select")

LIBRARY = Library(
    name="pika",
    language="Python",
    about="RabbitMQ's own client for Python",
    pip=("pika==1.4.4", "gevent", "tornado", "twisted"),
    programs=(
        Program("BlockingConnection", ("python", "blocking.py")),
        Program("BlockingConnection, errors", ("python", "blocking_errors.py")),
        *(Program(f"SelectConnection, {poller}", ("python", "select_adapter.py", poller)) for poller in POLLERS),
        Program("AsyncioConnection", ("python", "asyncio_adapter.py")),
        Program("TornadoConnection", ("python", "tornado_adapter.py")),
        Program("GeventConnection", ("python", "gevent_adapter.py")),
    ),
)
