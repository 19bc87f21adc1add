"""rabbitmqadmin, RabbitMQ's command for its HTTP API: the script that a broker offers at /cli/rabbitmqadmin."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="rabbitmqadmin",
    language="shell",
    about="RabbitMQ's command for its HTTP API, as the broker offers it for download",
    apt=("rabbitmq-server", "python3-pika"),
    programs=(Program("commands", ("/usr/bin/python3", "commands.py"), management=True),),
    remarks=("With amqpy, the script is served from the files of the installed RabbitMQ (`management_ui`).",),
)
