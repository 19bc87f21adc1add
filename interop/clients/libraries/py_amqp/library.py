"""py-amqp, the client beneath Kombu and Celery."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="py-amqp",
    language="Python",
    about="the client beneath Kombu and Celery",
    pip=("amqp==5.4.2", "pytest==9.1.1"),
    programs=(
        Program("channels", ("python", "channels.py")),
        Program("extensions", ("python", "extensions.py")),
    ),
    suites=(
        Suite(
            source=Sdist("amqp==5.4.2"),
            # Two tests more ask a host on the Internet, and those called `tls` need certificates that are not shipped.
            command=("python", "-m", "pytest", "t/integration/test_rmq.py", "-k", "plain", "--junit-xml=junit.xml"),
            environment={"RABBITMQ_HOST": "{host}", "RABBITMQ_5672_TCP": "{port}"},
        ),
    ),
)
