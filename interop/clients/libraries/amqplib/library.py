"""amqplib, with both of its APIs."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="amqplib",
    language="Node",
    about="the client for Node that most others build upon",
    npm=("amqplib@2.3.1",),
    programs=(
        *(Program(name, ("node", f"{name}.mjs")) for name in ("promises", "publishing", "failures", "callbacks")),
        Program("TLS", ("node", "tls.mjs"), tls=True),
    ),
    suites=(
        Suite(
            source=Checkout("https://github.com/amqp-node/amqplib", "v2.0.1"),
            command=(
                *("node", "--test", "--test-timeout=60000"),
                *("--test-reporter=junit", "--test-reporter-destination=junit.xml"),
                *("test/callback_api.test.js", "test/channel_api.test.js", "test/connect.test.js"),
            ),
            environment={"URL": "{url}"},
            default_port=True,
            slow=True,
            reasons={"*::ipv6": "connects to ::1, which the runner does not lead to the broker"},
        ),
    ),
    remarks=("Its own tests are those of 2.0.1, with the library of that version.",),
)
