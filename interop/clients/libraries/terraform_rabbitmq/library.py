"""Terraform's provider for RabbitMQ, by what it asks the HTTP API."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="Terraform's provider",
    language="other",
    about="cyrilgdn/rabbitmq: objects of a broker, kept as they are written down",
    programs=(Program("provider", ("python3", "provider.py"), management=True),),
    remarks=(
        "It is in no package registry: the program makes the requests that it makes (as of 1.10), and reads of the"
        " answers what it reads.",
    ),
)
