"""rascal: amqplib with its topology, publications, subscriptions and recovery in a configuration."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="rascal",
    language="Node",
    about="amqplib with a configuration, and strategies for what fails",
    npm=("rascal@21.0.1", "amqplib@2.3.1", "zunit@4.0.2", "chance@1.1.13"),
    programs=tuple(Program(name, ("node", f"{name}.mjs")) for name in ("messages", "recovery")),
    suites=(
        Suite(
            source=Checkout("https://github.com/onebeyond/rascal", "v21.0.1"),
            command=("node", "run_tests.cjs"),
            report="-",
            overlay={
                "run_tests.cjs": "run_tests.cjs",
                "random_readable.cjs": "node_modules/random-readable/index.js",
            },
            default_port=True,
            slow=True,
        ),
    ),
)
