"""rabbitmq-admin, a client of the HTTP API."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="rabbitmq-admin",
    language="Python",
    about="client of the HTTP API",
    pip=("rabbitmq-admin==0.2", "pika==1.4.4"),
    programs=(Program("client", ("python", "client.py"), management=True),),
    remarks=("Its own tests expect a broker of a certain name and version, on which there is nothing else.",),
)
