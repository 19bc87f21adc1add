"""aiormq: our programs, and the tests in its source distribution."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="aiormq",
    language="Python",
    about="AMQP for asyncio, what aio-pika is made of",
    pip=("aiormq==7.2.4", "pytest>=8.4,<10", "aiomisc-pytest>=2,<3"),
    programs=(
        Program("messages", ("python", "messages.py")),
        Program("channels", ("python", "channels.py")),
        Program("recovery", ("python", "recovery.py")),
    ),
    suites=(
        Suite(
            source=Sdist("aiormq==7.2.4"),
            command=("python", "-m", "pytest", "tests", "-k", "not amqps", "--junit-xml=junit.xml"),
            environment={"AMQP_URL": "{url}"},
            overlay={"broker_fixtures.py": "conftest.py"},
            slow=True,
        ),
    ),
    remarks=("Its own tests are run without those that need TLS.",),
)
