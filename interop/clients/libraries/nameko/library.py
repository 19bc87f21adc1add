"""nameko, a framework for services that call each other over AMQP, with Kombu and eventlet."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="nameko",
    language="Python",
    about="microservices, with Kombu and eventlet",
    pip=("nameko==2.14.1",),
    programs=(Program("services", ("python", "services.py")),),
    remarks=("Its own tests make a virtual host for each test, which takes the management API.",),
)
