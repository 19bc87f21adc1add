"""aio-pika: our programs, and the tests in its source distribution."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="aio-pika",
    language="Python",
    about="AMQP for asyncio, with connections that restore themselves",
    pip=("aio-pika==10.2.1", "pytest", "aiomisc-pytest", "shortuuid", "timeout-decorator"),
    programs=(
        Program("messages", ("python", "messages.py")),
        Program("errors", ("python", "errors.py")),
        Program("robust", ("python", "robust.py")),
        Program("patterns", ("python", "patterns.py")),
        Program("TLS", ("python", "tls.py"), tls=True),
    ),
    suites=(
        Suite(
            source=Sdist("aio-pika==10.2.1"),
            command=(
                *("python", "-m", "pytest", "tests", "--junit-xml=junit.xml"),
                *("--ignore=tests/test_amqps.py", "--ignore=tests/test_robust_recovery.py"),
            ),
            environment={"AMQP_URL": "{url}"},
            overlay={"docker_client.py": "tests/docker_client.py"},
            timeout_s=1800,
            slow=True,
            flaky={
                "*::test_iterator_cancellation_survives_close_timeout[[]*": (
                    "allows a second for a task to end, which is not enough on a busy machine"
                ),
                "*::test_create_channels_during_reconnect": (
                    "a race in the test: it can take a restoration on the connection it closes for one on the next"
                ),
                "*::test_leak_unclosed_channel[[]*": (
                    "a race in the test: it looks for channels while the tasks that end them may still hold them"
                ),
                "*::test_channel_reconnect_stairway[[]*": (
                    "allows 30 seconds for some hundred connections, which is not enough on a busy machine"
                ),
            },
        ),
        Suite(
            name="own tests, TLS",
            source=Sdist("aio-pika==10.2.1"),
            command=("python", "-m", "pytest", "tests/test_amqps.py", "--junit-xml=junit.xml"),
            environment={"AMQP_URL": "{url}", "AMQPS_PORT": "{tls_port}"},
            overlay={"docker_client.py": "tests/docker_client.py"},
            slow=True,
            tls=True,
        ),
    ),
    remarks=("Its own tests are run without those that start and stop brokers in containers.",),
)
