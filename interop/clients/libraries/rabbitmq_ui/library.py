"""The pages of RabbitMQ's management plugin, in a browser."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="RabbitMQ's user interface",
    language="other",
    about="the pages of RabbitMQ's management plugin, in Chromium",
    pip=("playwright==1.65.2", "pika==1.4.4"),
    apt=("chromium", "rabbitmq-server"),
    package="rabbitmq-server",
    programs=(
        Program("pages", ("python", "pages.py"), management=True),
        Program("work", ("python", "work.py"), slow=True, management=True),
    ),
    remarks=("The pages are the files of the installed RabbitMQ, which amqpy serves as its `management_ui`.",),
)
