"""Kombu, the messaging library beneath Celery, with its transport for AMQP."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="kombu",
    language="Python",
    about="the messaging library beneath Celery",
    pip=("kombu[msgpack,yaml]==5.7.0", "brotli==1.2.1", "pytest==9.1.1"),
    programs=(
        Program("messaging", ("python", "messaging.py")),
        Program("patterns", ("python", "patterns.py")),
        Program("recovery", ("python", "recovery.py")),
        Program("TLS", ("python", "tls.py"), tls=True),
    ),
    suites=(
        Suite(
            source=Sdist("kombu==5.7.0"),
            command=("python", "-m", "pytest", "t/integration/test_py_amqp.py", "--junit-xml=junit.xml"),
            environment={"RABBITMQ_HOST": "{host}", "RABBITMQ_5672_TCP": "{port}"},
        ),
    ),
    remarks=(
        "Its transport `librabbitmq` cannot be tried: librabbitmq 2.0.0 does not build with Python 3.11 or newer.",
    ),
)
