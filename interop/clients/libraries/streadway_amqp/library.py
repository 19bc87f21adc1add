"""The library that amqp091-go was made of; its program is the same, but for what has been added since."""

from pathlib import Path

from interop.clients.libraries import amqp091_go
from interop.clients.libraries.amqp091_go.library import FLAKY, GO
from interop.clients.library import Installed, Library, Program, Suite

SUCCESSOR = Path(amqp091_go.__path__[0])
SHARED = ("main.go", "channels.go", "topology.go", "publishing.go", "consuming.go")

LIBRARY = Library(
    name="streadway/amqp",
    language="Go",
    about="the predecessor of amqp091-go, still in many programs",
    apt=("golang-github-streadway-amqp-dev", "golang-go"),
    build=(
        ("cp", *(str(SUCCESSOR / name) for name in SHARED), "."),
        ("sed", "-i", "s:rabbitmq/amqp091-go:streadway/amqp:", *SHARED),
        (*GO, "build", "-o", "program", "."),
    ),
    programs=(Program("program", ("./program",)),),
    suites=(
        Suite(
            source=Installed("/usr/share/gocode/src/github.com/streadway/amqp"),
            command=(*GO, "test", "-tags", "integration", "-count=1", "-json", "."),
            environment={"AMQP_URL": "{url}"},
            report="go",
            flaky=FLAKY,
        ),
    ),
)
