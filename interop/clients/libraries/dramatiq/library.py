"""dramatiq with its broker for RabbitMQ, which is built upon pika."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="dramatiq",
    language="Python",
    about="background tasks, with pika",
    pip=("dramatiq[rabbitmq]==2.2.1", "pytest==9.1.1"),
    programs=(Program("tasks", ("python", "tasks.py")), Program("middleware", ("python", "middlewares.py"))),
    suites=(
        Suite(
            source=Sdist("dramatiq==2.2.1"),
            command=(
                *("python", "-m", "pytest", "tests/test_rabbitmq.py", "--override-ini=addopts="),
                # It stops and starts a RabbitMQ of this machine, whoever it belongs to.
                "--deselect=tests/test_rabbitmq.py::test_rabbitmq_workers_handle_rabbit_failures_gracefully",
                "--junit-xml=junit.xml",
            ),
            overlay={
                "__init__.py": "tests/__init__.py",
                "suite_credentials.py": "tests/common.py",
                "suite_conftest.py": "tests/conftest.py",
            },
            default_port=True,
            flaky={
                "*test_rabbitmq_actors_retry_with_backoff_on_failure": "allows 200 ms beyond the longest delay, which"
                " is not enough on a busy machine",
                "*consuming_messages_re_declares_queues_when_declared_queue_disappears": "allows 100 ms for a queue to"
                " be declared again",
            },
        ),
    ),
)
