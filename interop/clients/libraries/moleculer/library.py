"""moleculer, a framework for microservices, with its AMQP transporter."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="moleculer",
    language="Node",
    about="microservices, with AMQP between them",
    npm=("moleculer@0.14.36", "amqplib@0.10.9"),
    programs=(Program("services", ("node", "services.mjs")),),
    remarks=("0.14 is the last line of versions for Node 20; none of its own tests talks to an AMQP broker.",),
)
