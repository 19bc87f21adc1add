"""FastStream, with its RabbitBroker."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="FastStream",
    language="Python",
    about="a framework for services that exchange messages, on aio-pika",
    pip=(
        "faststream[rabbit,otel,prometheus,cli]==0.7.8",
        *("pytest==9.0.3", "pytest-asyncio==1.3.0", "pytest-rerunfailures", "pytest-timeout", "dirty-equals"),
        *("fastapi==0.140.0", "httpx", "PyYAML", "email-validator", "msgspec", "pydantic-settings", "freezegun"),
    ),
    programs=(
        Program("messages", ("python", "messages.py")),
        Program("handlers", ("python", "handlers.py")),
    ),
    suites=(
        Suite(
            source=Checkout("https://github.com/ag2ai/faststream", "0.7.4"),
            command=(
                *("python", "-m", "pytest", "-m", "rabbit and connected", "--junit-xml=junit.xml"),
                *("tests/brokers/rabbit", "tests/docs/rabbit", "tests/examples/rabbit"),
                *("tests/opentelemetry/rabbit", "tests/prometheus/rabbit"),
                "--ignore=tests/brokers/rabbit/test_misconfigure.py",  # wants NATS
            ),
            default_port=True,
            slow=True,
            lacks={"*.test_stream::test_stream": "streams"},
        ),
    ),
    remarks=("Its own tests are those of 0.7.4, with the library of that version.",),
)
