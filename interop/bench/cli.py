"""Runs the cases on all brokers in turn: a round of every broker, then the next round, so that a machine which
becomes slower or faster meanwhile does so for all of them."""

import argparse
import json
import os
import platform
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from interop.bench import cases as _registered  # noqa: F401  # importing them is what fills CASES
from interop.bench import ceiling, report
from interop.bench.brokers import Broker, amqpy, elsewhere, rabbitmq, rabbitmq_version, source_of
from interop.bench.case import CASES, Bench, Case
from interop.kit.process import allow_many_files, use_two_cores
from interop.rabbitmq import is_installed


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bench", description="amqpy beside RabbitMQ, as ratios.")
    made.add_argument("--list", action="store_true", help="print the cases and end")
    made.add_argument("--only", metavar="CASE,…", help="only these cases")
    made.add_argument("--broker", choices=["amqpy", "rabbitmq", "both"], default="both")
    made.add_argument("--base", metavar="COMMIT", help="also amqpy as it was at this commit")
    made.add_argument("--url", action="append", default=[], help="also a broker that runs already")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    made.add_argument("--details", action="store_true", help="also the numbers without a target")
    made.add_argument("--no-ceiling", action="store_true", help="do not measure the load generators first")
    made.add_argument("--json", type=Path, metavar="FILE", help="write every number of every round")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the table for docs/performance.md")
    return made


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def chosen_cases(only: str | None) -> list[Case]:
    if not only:
        return list(CASES.values())
    unknown = [name for name in only.split(",") if name not in CASES]
    if unknown:
        raise SystemExit(f"no such case: {', '.join(unknown)}; see --list")
    return [CASES[name] for name in only.split(",")]


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
    return brokers + [elsewhere(url) for url in options.url]


def measure(case: Case, broker: Broker, seconds: float, results: report.Results) -> None:
    """One case on one broker. A case that fails leaves a gap, and a broker that is started afresh."""
    started_at = time.monotonic()
    try:
        if case.fresh:
            broker.stop()
        broker.start(durable=case.durable)
        numbers = case.run(Bench(broker, seconds))
    except Exception:
        sys.stderr.write(f"{case.name} on {broker.name} failed:\n{traceback.format_exc()}\n")
        broker.stop()
        return
    results.add(case.name, broker.name, numbers)
    if case.fresh:
        broker.stop()
    main = {metric.key: metric for metric in case.metrics if not metric.detail}
    shown = "  ".join(f"{key} {report.number(numbers[key])} {metric.unit}" for key, metric in main.items())
    say(f"  {case.name:18} {broker.name:10} {shown}  ({time.monotonic() - started_at:.0f} s)")


def about(arguments: Sequence[str], options: argparse.Namespace, cores: int) -> dict[str, str]:
    return {
        "command": shlex.join(["scripts/bench", *arguments]),
        "machine": f"{cores} cores for broker and load together, {platform.machine()}, {platform.system()}",
        "Python": platform.python_version(),
        "RabbitMQ": rabbitmq_version(),
        "rounds": f"{options.rounds} alternating, {options.seconds:g} s for each measurement",
        "load of the machine at the start": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
    }


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    cases = chosen_cases(options.only)
    if options.list:
        for case in cases:
            say(f"{case.name:18} {case.title}")
        return 0
    facts = about(arguments, options, use_two_cores())
    allow_many_files()
    with ExitStack() as stack:
        brokers = chosen_brokers(options, stack)
        ceilings = [] if options.no_ceiling else ceiling.lines(min(1.0, options.seconds))
        for line in ceilings:
            say(f"load alone: {line}")
        for broker in brokers:
            stack.callback(broker.stop)
        results = report.Results([broker.name for broker in brokers])
        for case in cases:
            for _ in range(options.rounds):
                for broker in brokers:
                    measure(case, broker, options.seconds, results)
    say()
    say(report.text(results, cases, details=options.details))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(results, facts, ceilings), indent=1) + "\n")
    if options.markdown:
        before = options.markdown.read_text() if options.markdown.exists() else ""
        options.markdown.write_text(report.page(report.markdown(results, cases, facts, ceilings), before))
    expected = len(cases) * options.rounds * len(brokers)
    done = sum(len(rounds) for by_broker in results.rounds.values() for rounds in by_broker.values())
    return 0 if done == expected else 1
