"""pika, with each of its adapters."""

from interop.clients.library import Checkout, Library, Program, Suite

POLLERS = ("epoll", "poll", "select")
TESTS = (
    "tests/acceptance/async_adapter_tests.py",
    "tests/acceptance/blocking_adapter_test.py",
    "tests/acceptance/twisted_adapter_tests.py",
)

LIBRARY = Library(
    name="pika",
    language="Python",
    about="RabbitMQ's own client for Python",
    pip=("pika==1.4.4", "gevent", "pytest", "pytest-timeout", "tornado", "twisted"),
    programs=(
        Program("BlockingConnection", ("python", "blocking.py")),
        Program("BlockingConnection, errors", ("python", "blocking_errors.py")),
        Program("BlockingConnection, patterns", ("python", "blocking_patterns.py")),
        *(Program(f"SelectConnection, {poller}", ("python", "select_adapter.py", poller)) for poller in POLLERS),
        Program("AsyncioConnection", ("python", "asyncio_adapter.py")),
        Program("TornadoConnection", ("python", "tornado_adapter.py")),
        Program("GeventConnection", ("python", "gevent_adapter.py")),
        Program("TwistedProtocolConnection", ("python", "twisted_adapter.py")),
        Program("TwistedProtocolConnection, errors", ("python", "twisted_errors.py")),
        Program("TLS", ("python", "tls.py"), tls=True),
    ),
    suites=(
        Suite(
            source=Checkout("https://github.com/pika/pika", "1.4.4"),
            command=("python", "-m", "pytest", "-q", "--junit-xml=junit.xml", *TESTS),
            default_port=True,
            slow=True,
            reasons={
                "*TestInvalidExchangeTypeRaisesConnectionClosed*": (
                    "expects the channel to be closed (406) for an unknown exchange type, as RabbitMQ does from 3.13 on"
                ),
            },
        ),
        Suite(
            name="own tests, TLS",
            source=Checkout("https://github.com/pika/pika", "1.4.4"),
            prepare=(
                ("cp", "{authority}", "testdata/certs/ca_certificate.pem"),
                ("cp", "{certificate}", "testdata/certs/client_certificate.pem"),
                ("cp", "{certificate}", "testdata/certs/client_key.pem"),
            ),
            command=("python", "-m", "pytest", "-q", "--junit-xml=junit.xml", "--use-tls", TESTS[0]),
            default_port=True,
            slow=True,
            tls=True,
        ),
    ),
    remarks=(
        "of pika's acceptance tests those that need no broker are left out, and those for kqueue are skipped",
        "of pika's acceptance tests those for BlockingConnection and Twisted have no way to use TLS",
        "TwistedProtocolConnection does not tell why the broker closed a connection; programs can't check it there",
    ),
)
