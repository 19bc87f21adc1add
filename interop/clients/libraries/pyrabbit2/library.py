"""pyrabbit2, a client of the HTTP API."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="pyrabbit2",
    language="Python",
    about="client of the HTTP API",
    pip=("pyrabbit2==1.0.7", "pika==1.4.4"),
    programs=(Program("client", ("python", "client.py"), management=True),),
    remarks=("Its own tests talk to no broker.",),
)
