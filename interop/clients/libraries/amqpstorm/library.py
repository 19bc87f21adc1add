"""AMQPStorm."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="AMQPStorm",
    language="Python",
    about="thread-safe client, with one for the HTTP API",
    pip=("AMQPStorm==3.1.4", "pytest", "requests"),
    programs=(
        Program("usual", ("python", "usual.py")),
        Program("errors", ("python", "errors.py")),
        Program("patterns", ("python", "patterns.py")),
        Program("administration", ("python", "administration.py"), management=True),
    ),
    suites=(
        Suite(
            source=Sdist("amqpstorm==3.1.4"),
            command=(
                *("python", "-m", "pytest", "-q", "-c", "pyproject.toml", "--junit-xml=junit.xml"),
                *("amqpstorm/tests/functional", "-k", "not inaccessible"),
            ),
            environment={
                "AMQP_HOST": "{host}",
                "AMQP_USERNAME": "guest",
                "AMQP_PASSWORD": "guest",
                "AMQP_URI": "{url}",
                "AMQP_HTTP_URL": "http://127.0.0.1:{management_port}",
            },
            overlay={"cleaning.py": "conftest.py"},
            default_port=True,
            slow=True,
            reasons={"*::test_api_cluster_name": "expects the name of its author's cluster"},
        ),
    ),
    remarks=(
        "what its own tests have made is deleted by AMQP instead of the HTTP API, so that more of them run",
        "one of its own tests, which connects to another machine, is left out",
    ),
)
