"""CloudAMQP's amqp-client.js, with its low-level client and its sessions."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="@cloudamqp/amqp-client",
    language="Node",
    about="CloudAMQP's client for Node and browsers",
    npm=("@cloudamqp/amqp-client@4.1.1", "vitest@4.1.10"),
    programs=tuple(Program(name, ("node", f"{name}.mjs")) for name in ("client", "errors", "session")),
    suites=(
        Suite(
            source=Checkout("https://github.com/cloudamqp/amqp-client.js", "v4.1.0"),
            command=(
                *("vitest", "run", "--testTimeout=60000", "--reporter=junit", "--outputFile=junit.xml"),
                *("test/test.ts", "test/amqp-session.ts"),
            ),
            default_port=True,
            slow=True,
            flaky={
                "*::can handle frames split over socket reads": (
                    "allows 10 seconds for 100,000 messages, which is not enough on a busy machine"
                ),
            },
        ),
    ),
    remarks=("Its own tests are those of 4.1.0, with the library of that version.",),
)
