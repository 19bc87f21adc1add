"""aio-pika: our programs, and the tests in its source distribution."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="aio-pika",
    language="Python",
    about="AMQP for asyncio, with connections that restore themselves",
    pip=("aio-pika==10.2.1",),
    programs=(
        Program("messages", ("python", "messages.py")),
        Program("robust", ("python", "robust.py")),
        Program("patterns", ("python", "patterns.py")),
    ),
)
