"""RabbitMQ's own client for Java, as Debian packages it."""

from interop.clients.library import Library, Program

JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("amqp-client", "slf4j-api", "slf4j-nop"))

LIBRARY = Library(
    name="amqp-client",
    language="Java",
    about="RabbitMQ's own client for Java, with automatic recovery",
    apt=("librabbitmq-client-java", "default-jdk-headless", "libslf4j-java"),
    build=(("javac", "-Xlint:all", "-cp", JARS, "-sourcepath", ".", "Program.java", "Tls.java"),),
    programs=(
        Program("program", ("java", "-cp", f".:{JARS}", "Program")),
        Program("TLS", ("java", "-cp", f".:{JARS}", "Tls"), tls=True),
    ),
)
