"""amqp091-go, as Debian packages it, together with its tests."""

from interop.clients.library import Installed, Library, Program, Suite

SOURCES = "/usr/share/gocode/src/github.com/rabbitmq/amqp091-go"
FLAKY = {
    "TestNotifyClosesAllChansAfterConnectionClose": "talks to no broker; whenever the process has to wait for a"
    " millisecond, the test takes its time to be over, though what it waits for is there",
}
"""Of the tests that both libraries have."""

GO = ("env", "GO111MODULE=off", "GOPATH=/usr/share/gocode", "go")

LIBRARY = Library(
    name="amqp091-go",
    language="Go",
    about="RabbitMQ's own client for Go",
    apt=("golang-github-rabbitmq-amqp091-go-dev", "golang-go"),
    build=((*GO, "build", "-o", "program", "."), (*GO, "build", "-tags", "tls", "-o", "tls", ".")),
    programs=(Program("program", ("./program",)), Program("TLS", ("./tls",), tls=True)),
    suites=(
        Suite(
            source=Installed(SOURCES),
            command=(*GO, "test", "-tags", "integration", "-count=1", "-json", "."),
            environment={"AMQP_URL": "{url}"},
            report="go",
            flaky=FLAKY,
        ),
    ),
    remarks=(
        "The program does not use DeferredConfirmation, which up to 1.5 waits for ever when the broker confirms before"
        " the publish has returned.",
    ),
)
