"""aio-pika: our programs, and the tests in its source distribution."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="aio-pika",
    language="Python",
    about="AMQP for asyncio, with connections that restore themselves",
    pip=("aio-pika==10.2.1", "pytest", "aiomisc-pytest", "shortuuid", "timeout-decorator"),
    programs=(
        Program("messages", ("python", "messages.py")),
        Program("robust", ("python", "robust.py")),
        Program("patterns", ("python", "patterns.py")),
    ),
    suites=(
        Suite(
            source=Sdist("aio-pika==10.2.1"),
            command=("python", "-m", "pytest", "tests", "--junit-xml=junit.xml"),
            environment={"AMQP_URL": "{url}"},
            overlay={"docker_client.py": "tests/docker_client.py"},
            slow=True,
        ),
    ),
)
