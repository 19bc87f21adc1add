"""Runs the cases on all brokers in turn: a round of every broker, then the next round, so that a machine which
becomes slower or faster meanwhile does so for all of them."""

import argparse
import os
import platform
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psutil

from interop.bench import cases as _registered  # noqa: F401  # importing them is what fills CASES
from interop.bench import ceiling, report
from interop.bench.brokers import Broker, PeerBroker, amqpy, rabbitmq, rabbitmq_version, source_of
from interop.bench.case import CASES, Bench, Case
from interop.bench.options import RunningPeer, parse, product_of, without_passwords
from interop.bench.report import Results
from interop.kit.process import allow_many_files, use_two_cores
from interop.rabbitmq import is_installed

if TYPE_CHECKING:
    from pathlib import Path


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def chosen_cases(only: str | None) -> list[Case]:
    """In the order in which they are measured and reported: first those with messages as applications send them."""
    names = only.split(",") if only else list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise SystemExit(f"no such case: {', '.join(unknown)}; see --list")
    return sorted((CASES[name] for name in names), key=lambda case: not case.is_realistic)


def chosen_brokers(options: argparse.Namespace, stack: ExitStack) -> list[Broker]:
    brokers: list[Broker] = []
    if options.broker != "rabbitmq":
        brokers.append(amqpy())
        if options.base:
            brokers.append(amqpy(options.base, stack.enter_context(source_of(options.base))))
    if options.broker != "amqpy":
        if is_installed():
            brokers.append(rabbitmq())
        else:
            say("RabbitMQ is not installed (apt-get install rabbitmq-server): no ratios to it.")
    return brokers + [PeerBroker(peer.name, peer.address, peer.pid) for peer in options.peer]


def measure(case: Case, broker: Broker, seconds: float, results: Results) -> bool:
    """One case on one broker. A case that fails leaves a gap, and a broker that is started afresh."""
    if (case.starts or case.tls or case.managed) and not broker.is_ours:
        results.skip(case.name, broker.name)
        return True
    started_at = time.monotonic()
    try:
        if case.fresh:
            broker.stop()
        broker.start(durable=case.durable, tls=case.tls, managed=case.managed)
        numbers = case.run(Bench(broker, seconds, case.tls))
    except Exception:
        sys.stderr.write(f"{case.name} on {broker.name} failed:\n{traceback.format_exc()}\n")
        broker.stop()
        return False
    results.add(case.name, broker.name, numbers)
    if case.fresh:
        broker.stop()
    main = {metric.key: metric for metric in case.metrics if not metric.detail}
    shown = "  ".join(f"{key} {report.number(numbers[key])} {metric.unit}" for key, metric in main.items())
    say(f"  {case.name:18} {broker.name:10} {shown}  ({time.monotonic() - started_at:.0f} s)")
    return True


def about(arguments: Sequence[str], options: argparse.Namespace, cores: int) -> dict[str, str]:
    return {
        "command": without_passwords(shlex.join(["scripts/bench", *arguments])),
        "machine": f"{cores} cores for broker and load together, {platform.machine()}, {platform.system()}",
        "Python": platform.python_version(),
        "RabbitMQ": rabbitmq_version(),
        "rounds": f"{options.rounds} alternating, {options.seconds:g} s for each measurement",
        "load of the machine at the start": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
    } | {peer.name: about_peer(peer) for peer in options.peer}


def about_peer(peer: RunningPeer) -> str:
    cpu = "its CPU is not known"
    if peer.pid is not None:
        cores = len(psutil.Process(peer.pid).cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else "unknown"
        cpu = f"its process may use {cores} cores"
    return f"calls itself {product_of(peer)}; ran already, so nothing is started afresh for it; {cpu}"


def run(arguments: Sequence[str], options: argparse.Namespace, cases: Sequence[Case]) -> tuple[Results, bool]:
    """Measure everything; whether it went well."""
    facts = about(arguments, options, use_two_cores())
    allow_many_files()
    with ExitStack() as stack:
        brokers = chosen_brokers(options, stack)
        ceilings = [] if options.no_ceiling else ceiling.lines(min(1.0, options.seconds))
        for line in ceilings:
            say(f"load alone: {line}")
        for broker in brokers:
            stack.callback(broker.stop)
        results = Results([broker.name for broker in brokers], facts, ceilings)
        went_well = True
        for case in cases:
            for _ in range(options.rounds):
                for broker in brokers:
                    went_well &= measure(case, broker, options.seconds, results)
            if options.json:  # what is measured is not lost if it ends here
                results.save(options.json)
    return results, went_well


def show(results: Results, cases: Sequence[Case], options: argparse.Namespace) -> None:
    say()
    say(report.text(results, cases, details=options.details))
    page: Path | None = options.markdown
    pictures: Path | None = options.plots or (page and page.with_suffix(""))
    if pictures:
        # It takes a second to import, and is not there without the extra `bench`.
        from interop.bench import page as pages
        from interop.bench import plots

        if page:
            pages.write(page, results, cases, pictures)
        else:
            plots.draw(results, cases, pictures)


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    cases = chosen_cases(options.only)
    if options.list:
        for case in cases:
            say(f"{case.name:18} {case.title}")
        return 0
    if options.from_json:
        try:
            results, went_well = Results.joined(list(map(Results.load, options.from_json))), True
        except report.Unreadable as error:
            raise SystemExit(str(error)) from None
    else:
        results, went_well = run(arguments, options, cases)
    show(results, cases, options)
    return 0 if went_well else 1
