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
            command=(
                *("python", "-m", "pytest", "tests", "--junit-xml=junit.xml"),
                *("-k", "not amqps and not test_ssl_context and not test_ssl_verification"),
            ),
            environment={"AMQP_URL": "{url}"},
            overlay={"broker_fixtures.py": "conftest.py"},
            slow=True,
            flaky={
                "*::test_confirm_multiple[[]*": "allows 200 ms for ten confirms, which is not enough on a busy machine",
                "*::test_closing_waiter_cancellation[[]*-connection-True]": (
                    "a race in aiormq: the broker's close-ok can hide the error that the connection is closed with"
                ),
                "*::test_connection_close_during_publish_drain[[]*": (
                    "a race in aiormq: closing can end a publish with a bare `Exception` instead of its reason"
                ),
            },
        ),
    ),
    remarks=("Its own tests are run without those that need TLS.",),
)
