"""taskiq, with its broker for RabbitMQ."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="taskiq-aio-pika",
    language="Python",
    about="a task queue for asyncio, on aio-pika",
    pip=("taskiq-aio-pika==0.6.1", "aiostream>=0.7.1", "pytest>=9", "anyio>=4.11"),
    programs=(Program("tasks", ("python", "tasks.py")),),
    suites=(
        Suite(
            source=Checkout("https://github.com/taskiq-python/taskiq-aio-pika", "0.6.0"),
            command=("python", "-m", "pytest", "tests", "--junit-xml=junit.xml"),
            environment={"TEST_AMQP_URL": "{url}"},
            slow=True,
            reasons={
                "*::test_when_delayed_message_*plugin_enabled*": "needs the plugin rabbitmq_delayed_message_exchange",
            },
        ),
    ),
    remarks=("Its own tests are those of 0.6.0, with the library of that version.",),
)
