"""syslog-ng's destination amqp(), made with librabbitmq."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="syslog-ng",
    language="other",
    about="logs as messages: the destination amqp()",
    apt=("syslog-ng-mod-amqp", "syslog-ng-core", "python3-pika"),
    programs=(Program("destination", ("/usr/bin/python3", "destination.py")),),
    remarks=("What arrives, pika receives.",),
)
