"""Celery: a worker in a process of its own, whose task writes down what it got; and who sends it tasks.

The worker is told by the environment where the broker is and where to write, as in a deployment. Run as a module, by
`celery -A`.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import celery
import celery.app.amqp
import celery.app.base
import kombu.exceptions

from interop.kit.program import Program, ProgramFailed
from interop.soak.clients.with_kombu import LOSSES, TIMEOUT_S
from interop.soak.ledger import CONFIRMED, Stream
from interop.soak.worker import HEARTBEAT_S, Sender, Shift, Taker

MODULE = "interop.soak.clients.with_celery"
TASK = "soak.note"
URL, QUEUE, NOTES = "SOAK_CELERY_URL", "SOAK_CELERY_QUEUE", "SOAK_CELERY_NOTES"
ENTITIES = ("celery.pidbox", "reply.celery.pidbox", "celeryev")
"""Exchanges that a worker leaves behind."""
POLL_S = 0.1
STOP_TIMEOUT_S = 30.0


def make_app(url: str, queue: str) -> Any:  # noqa: ANN401
    made = celery.Celery("soak", broker=url, set_as_current=False)
    made.conf.update(
        task_default_queue=queue,
        task_acks_late=True,
        task_ignore_result=True,
        broker_heartbeat=HEARTBEAT_S,
        broker_connection_timeout=TIMEOUT_S,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"confirm_publish": True, "read_timeout": TIMEOUT_S, "write_timeout": TIMEOUT_S},
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return made


if URL in os.environ:
    app = make_app(os.environ[URL], os.environ[QUEUE])

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def note(body: str) -> None:
        with Path(os.environ[NOTES]).open("a") as notes:
            notes.write(f"{body}\n")


class Worker(Taker):
    """The worker's process, and who reads its notes."""

    library = "Celery"

    def session(self) -> None:
        with tempfile.TemporaryDirectory(prefix="amqpy-soak-celery-") as folder:
            notes = Path(folder) / "notes"
            notes.touch()
            environment = {URL: self.shift.address.url, QUEUE: self.queue, NOTES: str(notes)}
            command = [sys.executable, "-m", "celery", "-A", MODULE, "worker", "--pool", "solo"]
            command += ["--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
            command += ["--hostname", f"{self.name}@localhost"]
            worker = Program(command, Path(folder) / "log", environment=environment)
            try:
                with notes.open() as written:
                    self.read(worker, written)
            finally:
                self.end(worker)

    def read(self, worker: Program, written: IO[str]) -> None:
        rest = ""
        while not self.over.wait(POLL_S) and worker.is_running:
            *lines, rest = (rest + written.read()).split("\n")
            for line in lines:
                # A task does not say whether it was delivered before.
                self.keeps(line.encode(), redelivered=True)

    def end(self, worker: Program) -> None:
        try:
            if not worker.is_running:
                raise worker.failure("Celery's worker ended by itself")
            worker.stop(STOP_TIMEOUT_S)
        except ProgramFailed as failure:
            self.shift.findings.note("client", str(failure))


class Caller(Sender):
    library = "Celery"
    losses = (*LOSSES, kombu.exceptions.OperationalError)

    def __init__(self, shift: Shift, name: str, stream: Stream, queue: str) -> None:
        super().__init__(shift, name, stream, "", queue)

    def session(self) -> None:
        made = make_app(self.shift.address.url, self.key)
        with made.connection_for_write() as connection:
            while not self.over.is_set():
                if self.may_send():
                    number, body = self.ledger.send(self.stream)
                    made.send_task(TASK, [body.decode()], connection=connection, retry=False)
                    self.ledger.answer(self.stream, [number], CONFIRMED)
                self.pause(POLL_S)
                connection.heartbeat_check()
