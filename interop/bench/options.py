"""The command line of `scripts/bench`."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from interop.bench.counters import UnexpectedFrames
from interop.bench.peer import Peer
from interop.kit.address import Address
from interop.kit.process import is_alive

ANSWER_TIMEOUT_S = 10.0
NAME = re.compile(r"[^\W_][\w.+ -]*")


@dataclass(frozen=True)
class RunningPeer:
    """A broker that runs already: `--peer NAME=URL`, and `--peer-pid PID` after it."""

    name: str
    address: Address
    pid: int | None = None


def running_peer(text: str) -> RunningPeer:
    name, equals, url = text.partition("=")
    if not equals or not NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"not NAME=URL: {text}")
    try:
        return RunningPeer(name, Address.parse(url))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def process_id(text: str) -> int:
    if not text.isdecimal() or not is_alive(int(text)):
        raise argparse.ArgumentTypeError(f"no such process: {text}")
    return int(text)


class PeerPid(argparse.Action):
    """The process of the peer named before."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: object, option: str | None = None
    ) -> None:
        if not namespace.peer or namespace.peer[-1].pid is not None:
            parser.error(f"{option} {value}: each belongs to the --peer before it")
        namespace.peer = [*namespace.peer[:-1], replace(namespace.peer[-1], pid=value)]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bench", description="amqpy beside RabbitMQ and others, as ratios.")
    made.add_argument("--list", action="store_true", help="print the cases and end")
    made.add_argument("--only", metavar="CASE,…", help="only these cases")
    made.add_argument("--broker", choices=["amqpy", "rabbitmq", "both"], default="both")
    made.add_argument("--base", metavar="COMMIT", help="also amqpy as it was at this commit")
    made.add_argument(
        "--peer",
        action="append",
        default=[],
        type=running_peer,
        metavar="NAME=URL",
        help="also a broker that runs already, with user, password and virtual host of the amqp:// URL; repeatable",
    )
    made.add_argument(
        "--peer-pid",
        action=PeerPid,
        type=process_id,
        metavar="PID",
        help="the process of the peer named before it: its CPU and memory are measured, too",
    )
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    made.add_argument("--details", action="store_true", help="also the numbers without a target")
    made.add_argument("--no-ceiling", action="store_true", help="do not measure the load generators first")
    made.add_argument("--json", type=Path, metavar="FILE", help="write every number of every round")
    made.add_argument(
        "--from-json",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="measure nothing: table, page and pictures of a run saved by --json, or of several with different cases",
    )
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write docs/performance.md, with pictures")
    made.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="draw the pictures there; by default beside the page, in a folder of its name",
    )
    return made


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    made = parser()
    options = made.parse_args(arguments)
    if options.from_json and (options.peer or options.base or options.json):
        made.error("--from-json measures nothing: no --peer, --base or --json beside it")
    names = [peer.name for peer in options.peer]
    if twice := {name for name in names if names.count(name) > 1 or name in own_names(options)}:
        made.error(f"--peer: two brokers of the name {', '.join(sorted(twice))}")
    return options


def own_names(options: argparse.Namespace) -> set[str]:
    """The names of the brokers that are started for the run."""
    return {
        *(["amqpy", options.base] if options.broker != "rabbitmq" else []),
        *(["RabbitMQ"] if options.broker != "amqpy" else []),
    }


def product_of(peer: RunningPeer) -> str:
    """What a peer calls itself when asked. Ends the program if it cannot be used."""
    where = f"{peer.address.host}:{peer.address.port}"
    try:
        with Peer(peer.address.url, ANSWER_TIMEOUT_S) as connection:
            return connection.product
    except (OSError, UnexpectedFrames) as error:
        who = f"user {peer.address.user!r}, virtual host {peer.address.vhost!r}"
        raise SystemExit(f"--peer {peer.name}: cannot log in at {where} ({who}): {error}") from None


def without_passwords(command: str) -> str:
    return re.sub(r"(amqp://[^:@/\s]*):[^@/\s]*@", r"\1:…@", command)
