"""rabbitmqadmin v2, RabbitMQ's newer command for its HTTP API, written in Rust."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="rabbitmqadmin v2",
    language="shell",
    about="RabbitMQ's newer command for its HTTP API, which reads answers by strict types",
    newest="rabbitmqadmin-ng",
    apt=("python3-pika",),
    programs=(Program("commands", ("/usr/bin/python3", "commands.py"), tls=True, management=True),),
    remarks=(
        "It is that of Debian's unstable release.",
        "Its lists of nodes, plugins and consumers cannot read the answers of RabbitMQ before 4.0, nor those of amqpy"
        " unless it takes after one since.",
    ),
)
