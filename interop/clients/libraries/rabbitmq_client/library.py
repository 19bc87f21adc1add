"""rabbitmq-client, with its channels and with its consumers and publishers that recover."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="rabbitmq-client",
    language="Node",
    about="a client that recovers by itself, without dependencies",
    npm=("rabbitmq-client@5.0.8", "ts-node@10.9.2", "typescript@5.9.3", "@types/node@18.19.130"),
    programs=tuple(Program(name, ("node", f"{name}.mjs")) for name in ("channels", "refusals", "robust")),
    suites=(
        Suite(
            source=Checkout("https://github.com/cody-greene/node-rabbitmq-client", "v5.0.8"),
            command=(
                *("node", "-r", "ts-node/register", "--test", "--test-timeout=60000"),
                *("--test-reporter=junit", "--test-reporter-destination=junit.xml"),
                *("test/behavior.ts", "test/consumer.ts", "test/rpc.ts"),
            ),
            environment={"RABBITMQ_URL": "{url}", "TS_NODE_TRANSPILE_ONLY": "true"},
            slow=True,
            flaky={
                "*::lazy channel": "allows 250 ms for a connection and two declarations",
                "*::connection.onConnect: reject": "expects nobody to listen on port 5672",
            },
        ),
    ),
)
