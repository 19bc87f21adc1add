"""aiormq: our programs, and the tests in its source distribution."""

from interop.clients.library import Library, Program, Sdist, Suite

FLAKY = {
    "*::test_confirm_multiple[[]*": "allows 200 ms for ten confirms, which is not enough on a busy machine",
    "*::test_closing_waiter_cancellation[[]*-connection-True]": (
        "a race in aiormq: the broker's close-ok can hide the error that the connection is closed with"
    ),
    "*::test_connection_close_during_publish_drain[[]*": (
        "a race in aiormq: closing can end a publish with a bare `Exception` instead of its reason"
    ),
}
IN_TLS = "amqps or test_ssl_context or test_ssl_verification"

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
                *("-k", f"not ({IN_TLS})"),
            ),
            environment={"AMQP_URL": "{url}"},
            overlay={"broker_fixtures.py": "conftest.py"},
            slow=True,
            flaky=FLAKY,
        ),
        Suite(
            name="own tests, TLS",
            source=Sdist("aiormq==7.2.4"),
            prepare=(
                ("cp", "{authority}", "tests/certs/ca.pem"),
                ("cp", "{certificate}", "tests/certs/client.pem"),
                ("cp", "{certificate}", "tests/certs/client.key"),
            ),
            command=("python", "-m", "pytest", "tests", "--junit-xml=junit.xml", "-k", IN_TLS),
            environment={"AMQP_URL": "{url}", "AMQPS_PORT": "{tls_port}"},
            overlay={"broker_fixtures.py": "conftest.py"},
            slow=True,
            tls=True,
            flaky=FLAKY,
        ),
    ),
)
