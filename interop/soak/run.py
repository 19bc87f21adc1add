"""A run: shifts one after the other, restarts in between, a line every minute, and measurements when all is quiet."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from amqpy.store import maintenance
from amqpy.store.store import StoreError
from interop.kit.brokers import Broker
from interop.kit.process import descriptors, resident_mib
from interop.kit.program import ProgramFailed
from interop.soak.brokers import Observed
from interop.soak.clients.with_pika import LOSSES
from interop.soak.cutting import Close
from interop.soak.ending import declare, finish
from interop.soak.ledger import Findings, Ledger
from interop.soak.proxy import Proxy, dooms
from interop.soak.report import Quiet, Report, compare, grown
from interop.soak.roles import Roles, assign_roles
from interop.soak.worker import STOPPED, Shift

WARM_UP_SHARE, WARM_UP_MAX_S = 0.2, 60.0
TICK_S = 0.5
QUIET_TIMEOUT_S = 30.0
OPENED_LATER = ("-wal", "-shm")
"""Files that each of the store's three connections opens when it first has something to do: they do not count."""
KILLS = 0.6
"""How many of the restarts are kills."""


@dataclass(frozen=True)
class Plan:
    minutes: float
    seed: int
    clients: int
    restart_every_s: float
    shift_minutes: float
    cut_after_s: float
    line_every_s: float
    celery: bool


class Soak:
    def __init__(self, broker: Broker, plan: Plan, report: Report, say: Callable[[str], None]) -> None:
        self.broker = broker
        self.plan = plan
        self.report = report
        self.say = say
        self.findings = Findings()
        self.random = random.Random(f"{plan.seed}/run")
        self.began_at = time.monotonic()
        self.never = threading.Event()
        self.proxy: Proxy

    def run(self) -> None:
        for part in (self.work, self.broker.stop, self.look_at_store):
            try:
                part()
            except ProgramFailed as failure:
                self.findings.note("broker", str(failure))
            except LOSSES as error:
                self.findings.note("broker", f"a client that is not cut off lost its connection: {error!r}")
        self.report.minutes = self.minutes()
        self.report.close(self.findings)

    def work(self) -> None:
        self.broker.start()
        self.report.objects_at_start = self.look().objects
        fates = dooms(f"{self.plan.seed}/proxy", self.plan.cut_after_s)
        with Proxy(self.broker.address, fates, self.noted) as proxy:
            self.proxy = proxy
            self.report.cuts = proxy.cuts
            self.shifts()

    def shifts(self) -> None:
        plan = self.plan
        total_s = plan.minutes * 60
        warm_up_s = min(total_s * WARM_UP_SHARE, WARM_UP_MAX_S)
        self.shift(0, warm_up_s, restart_every_s=0)
        number = max(1, round((total_s - warm_up_s) / (plan.shift_minutes * 60)))
        for each in range(1, number + 1):
            self.shift(each, (total_s - warm_up_s) / number, restart_every_s=plan.restart_every_s)
            if isinstance(self.broker, Observed):
                compare(self.report, self.findings)

    def minutes(self) -> float:
        return (time.monotonic() - self.began_at) / 60

    def noted(self, close: Close) -> None:
        """A broker has no reason to close anything of clients that do nothing wrong, unless it is stopped."""
        if close.code not in (200, STOPPED):
            self.findings.note("closed", f"{close.method} {close.code} {close.text}")

    def shift(self, number: int, seconds: float, *, restart_every_s: float) -> None:
        ledger = Ledger(self.findings, marks_new=self.broker.is_strict)
        direct = self.broker.address
        address = self.proxy.address
        name = f"soak-{number}"
        shift = Shift(name, f"{self.plan.seed}/{number}", address, direct, ledger, self.findings)
        made = assign_roles(shift, self.plan.clients, celery=self.plan.celery)
        declare(made)
        self.proxy.stir()
        for actor in made.actors:
            actor.start()
        try:
            self.watch(shift, made, time.monotonic() + seconds, restart_every_s)
            finish(made, self.proxy)
        finally:  # also for an interrupt, which would wait for threads that wait for this
            for over in shift.over.values():
                over.set()
        self.report.shifts += 1
        self.report.counts += ledger.counts + shift.counts
        self.report.quiet.append(self.measure())
        self.line()

    def watch(self, shift: Shift, made: Roles, until: float, restart_every_s: float) -> None:
        """Lets the actors work."""
        next_line = time.monotonic() + self.plan.line_every_s
        next_restart = time.monotonic() + self.restart_pause_s(restart_every_s)
        while (now := time.monotonic()) < until:
            self.never.wait(TICK_S)
            if isinstance(self.broker, Observed) and not self.broker.is_running:
                raise ProgramFailed(f"amqpy has ended by itself:\n{self.broker.log()}")
            self.report.connections_max = max(self.report.connections_max, self.proxy.connections())
            self.report.resident_max_mib = max(self.report.resident_max_mib, self.resident_mib())
            if now > next_line:
                next_line += self.plan.line_every_s
                self.line(shift)
            if now > next_restart:
                self.restart(shift)
                next_restart = time.monotonic() + self.restart_pause_s(restart_every_s)

    def restart_pause_s(self, every_s: float) -> float:
        return every_s * (0.5 + self.random.random()) if every_s else float("inf")

    def restart(self, shift: Shift) -> None:
        is_kill = self.random.random() < KILLS
        self.report.restarts["killed" if is_kill else "stopped"] += 1
        shift.life += 1
        if is_kill and not self.broker.is_strict:
            shift.ledger.forget_order()
        self.broker.restart(kill=is_kill)
        shift.life += 1

    # Measuring

    def resident_mib(self) -> float:
        return resident_mib(self.broker.pid) if self.broker.pid else 0.0

    def descriptors(self) -> int:
        return sum(not name.endswith(OPENED_LATER) for name in descriptors(self.broker.pid)) if self.broker.pid else 0

    def look(self) -> Quiet:
        objects, blocks = self.broker.census() if isinstance(self.broker, Observed) else ({}, 0)
        return Quiet(self.minutes(), self.resident_mib(), blocks, self.descriptors(), objects)

    def measure(self) -> Quiet:
        """When the broker is quiet: as at first; or, for the first time, when it does not change any more."""
        deadline = time.monotonic() + QUIET_TIMEOUT_S
        now = self.look()
        while time.monotonic() < deadline:
            before, now = now, self.look()
            base = self.report.quiet[0] if self.report.quiet else before
            is_like_base = now.descriptors <= base.descriptors and not grown(self.report.objects_at_start, now.objects)
            if is_like_base and not self.proxy.connections():
                return now
            self.never.wait(TICK_S)
        if connections := self.proxy.connections():
            self.findings.note("client", f"{connections} connections are still open")
        return now

    def look_at_store(self) -> None:
        """Nothing durable is left, and what is on disk is sound."""
        if isinstance(self.broker, Observed):
            assert self.broker.data_dir is not None
            try:
                found = maintenance.check(self.broker.data_dir)
            except StoreError as error:
                self.findings.note("store", str(error))
                return
            for problem in found.problems:
                self.findings.note("store", problem)
            if found.queues:
                self.findings.note("store", f"durable queues are left: {', '.join(row.queue for row in found.queues)}")

    def line(self, shift: Shift | None = None) -> None:
        """`shift`: the one that is not in the report yet."""
        counts = self.report.counts + (shift.ledger.counts if shift else Counter())
        what = f"shift {self.report.shifts}" if shift else "quiet"
        numbers = ", ".join(
            f"{counts[each]:,} {each}" for each in ("published", "confirmed", "received", "redelivered")
        )
        found = sum(self.findings.counts.values())
        self.say(
            f"{self.minutes():6.1f} min  {what}: {numbers}; {self.proxy.connections()} connections,"
            f" {sum(self.proxy.cuts.values())} cuts, {sum(self.report.restarts.values())} restarts;"
            f" {self.resident_mib():.1f} MiB, {self.descriptors()} descriptors; {found} findings"
        )
