"""aiormq: our programs, and the tests in its source distribution."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="aiormq",
    language="Python",
    about="AMQP for asyncio, what aio-pika is made of",
    pip=("aiormq==7.2.4",),
    programs=(
        Program("messages", ("python", "messages.py")),
        Program("recovery", ("python", "recovery.py")),
    ),
)
