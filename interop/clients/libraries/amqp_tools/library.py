"""amqp-tools: the commands that come with librabbitmq."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="amqp-tools",
    language="shell",
    about="amqp-publish, amqp-consume and others, for scripts",
    apt=("amqp-tools", "python3-pika"),
    programs=(Program("commands", ("/usr/bin/python3", "commands.py")),),
    remarks=("What the commands do not show (properties, counts), the program asks pika for.",),
)
