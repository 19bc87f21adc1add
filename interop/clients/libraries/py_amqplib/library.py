"""py-amqplib, from which py-amqp descends; it speaks AMQP 0-8."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="py-amqplib",
    language="Python",
    about="the ancestor of py-amqp, which speaks AMQP 0-8",
    apt=("python3-amqplib", "python3-pika", "python3-pytest", "2to3"),
    programs=(Program("usual", ("/usr/bin/python3", "usual.py")),),
    suites=(
        Suite(
            source=Sdist("amqplib==1.0.2"),
            # They are for Python 2, as the library was, which Debian has made fit for Python 3 in the same way.
            prepare=(("rm", "-r", "amqplib"), ("2to3", "--write", "--nobackups", "--no-diffs", "tests")),
            command=(
                "/usr/bin/python3",
                "-m",
                "pytest",
                "-q",
                "-c",
                "setup.cfg",
                "--junit-xml=junit.xml",
                "tests/client_0_8",
            ),
            overlay={"own_tests_settings.py": "tests/client_0_8/settings.py"},
            environment={"BROKER": "{host}:{port}"},
            reasons={
                "*test_basic_return*": "publishes with `immediate`, which RabbitMQ refuses",
                "*test_exception*": "expects 404 where RabbitMQ finds nothing to delete, and says so",
            },
        ),
    ),
    debian_before=13,
    remarks=(
        "It can't read dead letters: `x-death` is an array, a type that AMQP 0-8 does not have.",
        "What others publish, pika publishes.",
        "Debian 13 does not have it any more.",
    ),
)
