"""Plays scripts on both brokers, finds out where they differ, and what happened in the scripts."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from interop.parity.chance.player import play
from interop.parity.chance.shrink import Shrinker
from interop.parity.chance.steps import Script, text_of
from interop.parity.compare import Performance, compare, difference, perform
from interop.parity.scenario import Scenario
from interop.parity.script import Broker

EVENTS: Mapping[str, re.Pattern[str]] = {
    "delivered to a consumer": re.compile("basic.deliver "),
    "got": re.compile("basic.get-ok "),
    "redelivered": re.compile("redelivered=True"),
    "dead-lettered": re.compile(r"x-death.*<recent>"),
    "rejected": re.compile(r"reasonS\\x00\\x00\\x00\\x08rejected.*<recent>"),
    "expired": re.compile(r"reasonS\\x00\\x00\\x00\\x07expired.*<recent>"),
    "over a limit": re.compile(r"reasonS\\x00\\x00\\x00\\x06maxlen.*<recent>"),
    "over the delivery limit": re.compile(r"reasonS\\x00\\x00\\x00\\x0edelivery_limit.*<recent>"),
    "died twice": re.compile("<recent>.*<recent>"),
    "confirmed": re.compile("basic.ack "),
    "refused": re.compile("basic.nack delivery_tag"),
    "returned": re.compile("basic.return "),
    "committed": re.compile("tx.commit-ok"),
    "cancelled by the broker": re.compile("basic.cancel "),
    "channel closed": re.compile("channel.close "),
    "connection closed": re.compile("connection.close-ok"),
}
"""What can be seen in a transcript, to know how much is tried by chance."""

TIMES_IN_DOUBT = 3


@dataclass(frozen=True)
class Finding:
    """What came of one script: a difference, with the shortest script that shows it, or none."""

    label: str
    notes: list[str]
    """What the reference did."""
    script: Script = ()
    complaints: list[str] = field(default_factory=list)
    unsteady: bool = False

    @property
    def events(self) -> frozenset[str]:
        return frozenset(event for event, pattern in EVENTS.items() if any(map(pattern.search, self.notes)))

    @property
    def differs(self) -> bool:
        return bool(self.complaints)

    def lines(self) -> Iterator[str]:
        how = "the reference differs from itself" if self.unsteady else "differs"
        yield f"{self.label}: {how}"
        yield from text_of(self.script).splitlines()
        for complaint in self.complaints:
            yield from complaint.splitlines()


def scenario_of(script: Script, label: str = "chance") -> Scenario:
    """The script as a scenario of the engine."""
    return Scenario(label, lambda stage: play(script, stage), "Found by chance.", confirms_apart=True)


class Hunt:
    def __init__(self, reference: Broker, subject: Broker, *, shrink: bool = True, version: str = "") -> None:
        self.reference = reference
        self.subject = subject
        self.version = version
        self.shrink = shrink

    def examine(self, script: Script, label: str) -> Finding:
        outcome = compare(scenario_of(script, label), self.reference, self.subject, version=self.version)
        notes = outcome.reference.transcript.get("notes", [])
        if outcome.passed:
            return Finding(label, notes)
        if itself := self.unlike_itself(script, outcome.reference):
            return Finding(label, notes, script, itself, unsteady=True)
        shortest = self.shortest(script) if self.shrink else script
        complaints = self.differences(shortest) or outcome.complaints
        return Finding(label, notes, shortest, complaints)

    def unlike_itself(self, script: Script, before: Performance) -> list[str]:
        """How the reference does not repeat what it did, if so."""
        for _ in range(TIMES_IN_DOUBT):
            again = perform(scenario_of(script), self.reference)
            if complaints := list(difference(before.transcript, again.transcript)):
                return complaints
        return []

    def shortest(self, script: Script) -> Script:
        # Steps after the first difference may be full of its consequences.
        for length in self.first_difference(script):
            if self.differences(script[:length]):
                script = script[:length]
                break
        return Shrinker(self.shows).shortest(script)

    def shows(self, script: Script) -> bool:
        """Whether it differs, twice: among so many tries, a busy machine may show something once."""
        return bool(self.differences(script) and self.differences(script))

    def first_difference(self, script: Script) -> Iterator[int]:
        """How many steps show it, as far as the transcripts tell."""
        both = [perform(scenario_of(script), broker) for broker in (self.reference, self.subject)]
        expected, got = (performance.transcript.get("notes", []) for performance in both)
        told = 0
        for wanted, shown in zip(expected, got, strict=False):
            told += not wanted.startswith(" ")
            if wanted != shown:
                yield told
                return

    def differences(self, script: Script) -> list[str]:
        return compare(scenario_of(script), self.reference, self.subject, version=self.version).complaints


def summary(findings: list[Finding]) -> Iterator[str]:
    """How many scripts differ, and in how many of a hundred something happened at all."""
    counts = Counter(event for finding in findings for event in finding.events)
    yield ", ".join(f"{event} {round(100 * counts[event] / len(findings))} %" for event in EVENTS)
    unsteady = sum(finding.unsteady for finding in findings)
    differing = sum(finding.differs for finding in findings) - unsteady
    yield f"{len(findings)} scripts, {differing} differ, {unsteady} not the same twice on the reference"
