"""`python -m interop.bench.backlog`: a backlog of any size goes in, lies there through a restart, and comes out.

What must not grow with it is the broker's memory; what must not sag is the rate. Disk space should come back.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from interop.bench import frames
from interop.bench.brokers import Broker, amqpy, rabbitmq
from interop.bench.case import persistent
from interop.bench.crew import Crew, Job
from interop.bench.jobs import Consume, PublishAll
from interop.bench.loops import Flow
from interop.bench.peer import Peer
from interop.kit.process import disk_mib, forget_peak, peak_resident_mib, use_two_cores
from interop.rabbitmq import RabbitMQUnavailable

QUEUE = "backlog"
WINDOW_MAX = 1000
JOB_TIMEOUT_S = 7200.0
DISK_PATIENCE_S = 60.0
DISK_POLL_S = 1.0


@click.command()
@click.option("--messages", default=100_000, show_default=True, type=click.IntRange(100))
@click.option("--size", default=100, show_default=True, help="Bytes of a body.", type=click.IntRange(0))
@click.option("--broker", "kind", type=click.Choice(["amqpy", "rabbitmq"]), default="amqpy", show_default=True)
@click.option("--kill", is_flag=True, help="Restart by SIGKILL instead of a clean stop.")
@click.option("--memory-max", type=float, help="Fail if the broker ever has more MiB than this.")
def main(messages: int, size: int, kind: str, kill: bool, memory_max: float | None) -> None:
    """Publish all, restart, consume all; print rates, memory and disk of every step.

    The backlogs the broker is held to are 10,000,000 messages of 100 bytes, and 50,000 of 100,000.
    """
    use_two_cores()
    broker: Broker = rabbitmq() if kind == "rabbitmq" else amqpy()
    click.echo(f"{broker.name}: {messages:,} messages of {size:,} B in {tempfile.gettempdir()}")
    run = Run(broker)
    try:
        broker.start(durable=True)
        run.all(messages, size, kill=kill)
    finally:
        broker.stop()
    if memory_max is not None and run.peak_mib > memory_max:
        click.echo(f"memory: {run.peak_mib:.0f} MiB, more than {memory_max:g}")
        sys.exit(1)


class Run:
    """One backlog on one broker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.peak_mib = 0.0

    def all(self, messages: int, size: int, *, kill: bool) -> None:
        with self.step("idle"), Peer(self.broker.url) as peer:
            peer.call(frames.queue_declare(1, QUEUE, durable=True), 50, 11)
        with self.step("in") as tell:
            window = min(WINDOW_MAX, messages // 20)  # or a tenth would be less than a window, and have no rate
            publish = PublishAll(self.broker.url, [persistent(QUEUE, size)], window, messages)
            span, marks = alone(publish)
            first, last = marks[9] - span.started_at, marks[99] - marks[89]
            tell(f"{span.total / span.seconds:,.0f} msg/s, window {window:,}")
            tell(f"first tenth {messages / 10 / first:,.0f}, last tenth {messages / 10 / last:,.0f} msg/s")
        stopping_at = time.monotonic()
        self.broker.restart(kill=kill)
        with self.step("restart", forget=False) as tell:
            tell(f"{self.broker.start_seconds:.2f} s until it accepts")
            tell(f"{time.monotonic() - stopping_at - self.broker.start_seconds:.2f} s to stop")
            self.expect(messages)
        with self.step("out") as tell:
            flow = Flow()
            flow.target = messages
            span = alone(Consume(self.broker.url, [[QUEUE]], flow, ack_every=100, prefetch=1000, late=True))
            tell(f"{span.total / span.seconds:,.0f} msg/s")
        with self.step("after") as tell:
            self.expect(0)
            tell(f"disk space came back within {self.wait_for_disk():.0f} s")

    @contextmanager
    def step(self, name: str, *, forget: bool = True) -> Iterator[Callable[[str], None]]:
        """Print what a step says of itself, with the most memory there was meanwhile and the disk at its end."""
        assert self.broker.pid is not None
        if forget:
            forget_peak(self.broker.pid)
        said: list[str] = []
        yield said.append
        peak = peak_resident_mib(self.broker.pid)
        self.peak_mib = max(self.peak_mib, peak)
        click.echo(f"  {name:8} memory ≤ {peak:6,.0f} MiB  disk {self.disk():7,.0f} MiB  {'; '.join(said)}")

    def disk(self) -> float:
        return disk_mib(Path(self.broker.data_dir or "/nonexistent"))

    def expect(self, messages: int) -> None:
        """Acks may be under way still when their client has left."""
        deadline = time.monotonic() + DISK_PATIENCE_S
        with Peer(self.broker.url) as peer:
            while (depth := peer.depth(QUEUE)) != messages:
                if time.monotonic() > deadline:
                    raise click.ClickException(f"the queue has {depth:,} messages instead of {messages:,}")
                time.sleep(0.1)

    def wait_for_disk(self) -> float:
        """The seconds until the disk that is in use did not change any more."""
        started_at = changed_at = time.monotonic()
        before = self.disk()
        while (now := time.monotonic()) - changed_at < 5 * DISK_POLL_S and now - started_at < DISK_PATIENCE_S:
            time.sleep(DISK_POLL_S)
            if abs(self.disk() - before) > 1:
                before, changed_at = self.disk(), time.monotonic()
        return changed_at - started_at


def alone(job: Job) -> Any:  # noqa: ANN401  # each job has its own result
    with Crew(job) as crew:
        crew.go()
        (result,) = crew.results(JOB_TIMEOUT_S)
    return result


if __name__ == "__main__":
    try:
        main()
    except RabbitMQUnavailable as error:
        raise SystemExit(str(error)) from None
