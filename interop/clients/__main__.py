"""`python -m interop.clients`: try client libraries with a broker."""

import contextlib
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import click

from interop import keeper
from interop.clients import brokers, network, results
from interop.clients.library import GUEST, Library, all_libraries
from interop.clients.play import Command, play
from interop.clients.report import console_table
from interop.clients.results import REFERENCE, SUBJECT, Results
from interop.debian import obstacle
from interop.rabbitmq import RabbitMQUnavailable, stop_on_sigterm

_printing = threading.Lock()


def tell(text: str) -> None:
    with _printing:
        print(text, flush=True)


@click.command()
@click.option("--url", metavar="URL", help="The broker to try. Default: amqpy, started anew for each library.")
@click.option("--rabbitmq", is_flag=True, help="Try a private RabbitMQ, started for this run.")
@click.option("--only", metavar="NAME", multiple=True, help="Only this library; may be given more than once.")
@click.option("--language", metavar="NAME", multiple=True, help="Only libraries for this language.")
@click.option("--part", metavar="NAME", multiple=True, help="Only this program, or these tests; of any library.")
@click.option("--quick", is_flag=True, help="Without programs and tests that are slow or not in a package registry.")
@click.option("--jobs", default=2 * (os.cpu_count() or 1), show_default=True, help="How many libraries at a time.")
@click.option("--save", is_flag=True, help="Keep the results in interop/clients/results, for docs/interop.md.")
@click.option("--list", "listing", is_flag=True, help="Only list the libraries.")
def main(
    url: str | None,
    rabbitmq: bool,
    only: tuple[str, ...],
    language: tuple[str, ...],
    part: tuple[str, ...],
    quick: bool,
    jobs: int,
    save: bool,
    listing: bool,
) -> None:
    """Run our programs for each client library, and its own tests, with amqpy or another broker.

    Ends with code 1 if something fails that does not fail with RabbitMQ (by its saved results) as well.
    """
    chosen = parts_of(choose(only, language), part)
    if listing:
        for library in chosen:
            print(f"{library.folder:24} {library.name} ({library.language}): {library.about}")
        return
    if save and (url or quick):
        raise click.UsageError("only whole results are saved, of amqpy and of a private RabbitMQ")
    chosen, left_out = runnable(chosen, quick=quick)
    if save and left_out:
        raise click.ClickException("\n".join(left_out))
    kept = (REFERENCE if rabbitmq else SUBJECT) if save else None
    try:
        with broker_of(url, rabbitmq) as provide, provide(GUEST) as first:
            found = Results(first.title)
            play_all(chosen, provide, found, quick=quick, jobs=jobs, kept=kept)
    except (RabbitMQUnavailable, OSError) as error:
        raise click.ClickException(str(error)) from error
    print(console_table(chosen, found))
    for line in left_out:
        print(line)
    sys.exit(1 if tell_unexplained(chosen, found, of_amqpy=not (rabbitmq or url)) else 0)


def choose(names: tuple[str, ...], languages: tuple[str, ...]) -> list[Library]:
    libraries = list(all_libraries())
    known = {name for library in libraries for name in (library.folder, library.name)}
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"no library {', '.join(unknown)}: see --list")
    return [
        library
        for library in libraries
        if (not names or library.folder in names or library.name in names)
        and (not languages or library.language in languages)
    ]


def parts_of(libraries: list[Library], names: tuple[str, ...]) -> list[Library]:
    """The libraries with only those of their programs and suites that have these names; with all if there are none."""
    if not names:
        return libraries
    cut = [
        replace(
            library,
            programs=tuple(program for program in library.programs if program.name in names),
            suites=tuple(suite for suite in library.suites if suite.name in names),
        )
        for library in libraries
    ]
    if not (kept := [library for library in cut if library.programs or library.suites]):
        raise click.UsageError(f"no library has a part {', '.join(names)}")
    return kept


def runnable(libraries: list[Library], *, quick: bool) -> tuple[list[Library], list[str]]:
    """The libraries, and the suites of them, that can be run on this machine, and a line for each other, with why."""
    reasons = {library.name: why_not(library, sys.version_info[:2], debian_release()) for library in libraries}
    left_out = [f"{name}: not run, as {why}" for name, why in reasons.items() if why]
    libraries = [library for library in libraries if not reasons[library.name]]
    try:
        network.way_in()
    except OSError as error:
        left_out += [
            f"{library.name}, {suite.name}: not run, as it knows no ports but the standard ones: {error}"
            for library in libraries
            for suite in library.suites
            if suite.default_port and not (quick and suite.slow)
        ]
        kept = [tuple(suite for suite in library.suites if not suite.default_port) for library in libraries]
        libraries = [replace(library, suites=suites) for library, suites in zip(libraries, kept, strict=True)]
    return libraries, left_out


def why_not(library: Library, python: tuple[int, int], debian: int | None) -> str | None:
    """The reason why a library cannot be had here, if there is one."""
    if library.python_before is not None and python >= library.python_before:
        return "it cannot be built with Python {}.{} or newer".format(*library.python_before)
    if library.debian_before is not None and debian is not None and debian >= library.debian_before:
        return f"Debian {library.debian_before} does not have it any more"
    if library.newest and (needed := obstacle()):
        return f"it is of another release of Debian, which takes {needed}"
    return None


def debian_release() -> int | None:
    """The number of Debian's release, None on another system."""
    try:
        system = platform.freedesktop_os_release()
        return int(system["VERSION_ID"]) if system["ID"] == "debian" else None
    except (OSError, KeyError, ValueError):
        return None


@contextlib.contextmanager
def broker_of(url: str | None, rabbitmq: bool) -> Iterator[brokers.Provider]:
    if url:
        with brokers.running_already(url) as provide:
            yield provide
    elif rabbitmq:
        with brokers.one_rabbitmq() as provide:
            yield provide
    else:
        yield brokers.own_amqpy


def play_all(
    libraries: list[Library], provide: brokers.Provider, found: Results, *, quick: bool, jobs: int, kept: Path | None
) -> None:
    """Fill `found`, and keep what is found as it comes: all of it may take an hour."""
    saving = threading.Lock()

    def play_one(library: Library) -> None:
        began = time.monotonic()
        result = play(library, provide, quick=quick, tell=tell)
        found.libraries[library.folder] = result
        if kept:
            with saving:
                results.save(kept, Results(found.broker, {library.folder: result}))
        tell(f"{library.name}: {time.monotonic() - began:.0f} s")

    with stop_on_sigterm(), ThreadPoolExecutor(jobs) as pool:
        try:
            # Those with most to do first, or the last of them would be alone for minutes.
            for _ in pool.map(play_one, sorted(libraries, key=lambda library: -len(library.programs))):
                pass
        except BaseException:  # also an interrupt: nobody waits for what runs for minutes
            pool.shutdown(wait=False, cancel_futures=True)
            Command.end_all()
            raise


def tell_unexplained(libraries: list[Library], found: Results, *, of_amqpy: bool) -> bool:
    reference = results.load(REFERENCE).libraries
    wrong = [
        f"{library.name}: {line}"
        for library in libraries
        for line in results.unexplained(
            library, found.libraries[library.folder], reference.get(library.folder), of_amqpy=of_amqpy
        )
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    keeper.stay_behind()
    main()
