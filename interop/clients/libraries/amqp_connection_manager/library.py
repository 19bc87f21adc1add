"""amqp-connection-manager: amqplib with connections that come back."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="amqp-connection-manager",
    language="Node",
    about="amqplib with connections that come back",
    npm=(
        *("amqp-connection-manager@5.0.0", "amqplib@2.3.1"),
        *("jest@29.7.0", "jest-junit@16.0.0", "jest-ts-webcompat-resolver@1.0.0", "ts-jest@29.4.5", "typescript@5.9.3"),
        *("chai@4.5.0", "chai-jest@1.0.2", "promise-tools@2.1.0"),
    ),
    programs=tuple(Program(name, ("node", f"{name}.mjs")) for name in ("channels", "recovery")),
    suites=(
        Suite(
            source=Checkout("https://github.com/jwalton/node-amqp-connection-manager", "v5.0.0"),
            command=(
                *("jest", "--reporters=jest-junit", "--testTimeout=30000", "--forceExit"),
                # Its types are checked against an amqplib older than the one it is used with here.
                *('--globals={"ts-jest": {"diagnostics": false}}', "test/integrationTest.ts"),
            ),
            environment={"JEST_JUNIT_CLASSNAME": "{filename}", "JEST_JUNIT_TITLE": "{title}"},
            default_port=True,
            slow=True,
        ),
    ),
)
