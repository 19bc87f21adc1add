"""AnyEvent::RabbitMQ for Perl, as Debian packages it."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="AnyEvent::RabbitMQ",
    language="Perl",
    about="asynchronous, for many event loops",
    apt=("libanyevent-rabbitmq-perl", "perl"),
    remarks=("it can't read dead letters: the count in `x-death` has a type that it does not know",),
    programs=(Program("program", ("perl", "-I.", "anyevent_rabbitmq.pl")),),
)
