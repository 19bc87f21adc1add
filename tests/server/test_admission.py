"""Limits of connections that have not said who they are: counted in all and by address, in a bounded memory."""

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.server.admission import Admission, Allowance, Limits, Refused, Visit, site_name

HERE, THERE = "203.0.113.9", "203.0.113.10"


class Door:
    """An admission, and visits to it at a time."""

    def __init__(self, addresses_max: int = 100, **limits: int) -> None:
        self.admission = Admission(Limits(**limits), addresses_max)
        self.now_ms = 1_000_000

    def visit(self, host: str | None = HERE) -> Visit:
        visit = Visit(self.admission)
        try:
            visit.enter()
            visit.locate(host, self.now_ms)
        except Refused:
            visit.leave(self.now_ms)
            raise
        return visit

    def refusal(self, host: str | None = HERE) -> str:
        with pytest.raises(Refused) as caught:
            self.visit(host)
        return str(caught.value)

    def failed_login(self, host: str = HERE) -> None:
        visit = self.visit(host)
        visit.note_login_failed(self.now_ms)
        visit.leave(self.now_ms)


def test_without_limits_all_may_come() -> None:
    door = Door()
    visits = [door.visit(host) for host in (HERE, THERE, None) for _ in range(1000)]
    for visit in visits:
        visit.note_login_failed(door.now_ms)
        visit.leave(door.now_ms)
    assert (door.admission.pending, door.admission.addresses_known) == (0, 0)


@pytest.mark.parametrize("end", ["opened", "gone"])
def test_pending_connections_in_all(end: str) -> None:
    door = Door(pending=2)
    first, _ = door.visit(HERE), door.visit(None)
    assert door.refusal(THERE) == "too many connections that are not open (2)"
    first.note_opened() if end == "opened" else first.leave(door.now_ms)
    door.visit(THERE)
    door.refusal(THERE)


@pytest.mark.parametrize("end", ["opened", "gone"])
def test_pending_connections_from_an_address(end: str) -> None:
    door = Door(pending_per_address=2)
    first, _ = door.visit(), door.visit()
    assert door.refusal() == "too many connections from there that are not open (2)"
    door.visit(THERE)
    for _ in range(3):
        door.visit(None)
    first.note_opened() if end == "opened" else first.leave(door.now_ms)
    door.visit()
    door.refusal()


def test_connections_from_an_address() -> None:
    door = Door(connections_per_address=2)
    first, second = door.visit(), door.visit()
    first.note_opened()
    second.note_opened()
    assert door.refusal() == "too many connections from there (2)"
    door.visit(THERE)
    for _ in range(3):
        door.visit(None)
    second.leave(door.now_ms)
    door.visit()
    door.refusal()


def test_new_connections_in_all() -> None:
    door = Door(new_per_s=2)
    door.visit(HERE)
    door.visit(None)
    assert door.refusal(THERE) == door.refusal(None) == "too many new connections (2 a second)"
    door.now_ms += 499
    door.refusal()
    door.now_ms += 1
    door.visit()
    door.refusal()
    door.now_ms += 10_000
    door.visit()
    door.visit()
    door.refusal()


def test_new_connections_from_an_address() -> None:
    door = Door(new_per_s_per_address=2)
    for visit in [door.visit(), door.visit()]:
        visit.leave(door.now_ms)
    assert door.refusal() == "too many new connections from there (2 a second)"
    door.visit(THERE)
    for _ in range(3):
        door.visit(None)
    door.now_ms += 500
    door.visit()
    door.refusal()


def test_who_is_refused_takes_nothing_from_others() -> None:
    """One address that does not stop asking must not use up what all may have."""
    door = Door(new_per_s=5, new_per_s_per_address=2)
    door.visit()
    door.visit()
    for _ in range(100):
        door.refusal()
    for _ in range(2):
        door.visit(THERE)
    door.visit("203.0.113.11")
    assert door.refusal("203.0.113.11") == "too many new connections (5 a second)"


def test_failed_logins() -> None:
    door = Door(login_failures_per_min_per_address=3)
    waiting = door.visit()
    for _ in range(3):
        door.failed_login()
    assert door.refusal() == "too many failed logins from there (3 a minute)"
    door.visit(THERE)
    door.visit(None)
    door.now_ms += 20_000
    door.failed_login()
    door.refusal()
    # Who had come before may still try, and all have to wait the longer for it.
    waiting.note_login_failed(door.now_ms)
    door.now_ms += 20_000
    door.refusal()
    door.now_ms += 20_000
    door.visit()
    door.now_ms += 60_000
    for _ in range(3):
        door.failed_login()
    door.refusal()


def test_failed_logins_of_a_loopback_address_are_not_counted() -> None:
    door = Door(login_failures_per_min_per_address=1)
    for _ in range(10):
        door.visit(None).note_login_failed(door.now_ms)


def test_an_ipv6_network_is_one_address() -> None:
    door = Door(connections_per_address=2)
    door.visit("2001:db8::1")
    door.visit("2001:db8::ffff:ffff:ffff:ffff")
    door.refusal("2001:db8::2")
    door.visit("2001:db8:0:1::2")
    door.visit("::ffff:203.0.113.9")
    door.visit("203.0.113.9")
    door.refusal("203.0.113.9")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_sites(host: str, name: str) -> None:
    assert site_name(host) == name


# --- memory


def test_an_address_is_forgotten_when_it_counts_for_nothing() -> None:
    door = Door(login_failures_per_min_per_address=2, new_per_s_per_address=1)
    door.visit().leave(door.now_ms)
    door.failed_login(THERE)
    assert door.admission.addresses_known == 2
    door.now_ms += 1000
    door.visit("203.0.113.11").leave(door.now_ms)
    assert door.admission.addresses_known == 2
    door.now_ms += 60_000
    door.visit(None)
    door.visit("203.0.113.12").leave(door.now_ms)
    assert door.admission.addresses_known == 1


def test_so_many_addresses_are_remembered_and_the_latest_are() -> None:
    door = Door(login_failures_per_min_per_address=1, addresses_max=10)
    hosts = [f"203.0.113.{number}" for number in range(1, 21)]
    here = door.visit(hosts[0])
    here.note_login_failed(door.now_ms)
    for host in hosts[1:]:
        door.failed_login(host)
    assert door.admission.addresses_known == 11
    for host in (hosts[0], *hosts[10:]):
        door.refusal(host)
    for host in hosts[1:10]:
        door.failed_login(host)


def test_who_comes_back_is_remembered_anew() -> None:
    door = Door(login_failures_per_min_per_address=2, addresses_max=2)
    for host in (HERE, THERE, HERE, "203.0.113.11"):
        door.failed_login(host)
    door.refusal(HERE)
    door.failed_login(THERE)
    door.failed_login(THERE)


# --- allowances


@given(st.integers(1, 50), st.integers(1, 5000), st.lists(st.integers(0, 400), max_size=100))
def test_an_allowance_is_kept_in_any_span(count: int, span_ms: int, pauses: list[int]) -> None:
    """Never more than the count at once, nor more in a longer time than come to it."""
    allowance, over_at_us, now_ms = Allowance(count, span_ms), 0, 10_000
    taken: list[int] = []
    for pause_ms in pauses:
        now_ms += pause_ms
        if not allowance.is_spent(over_at_us, now_ms):
            over_at_us = allowance.after(over_at_us, now_ms)
            taken.append(now_ms)
    for first, began_ms in enumerate(taken):
        for last in range(first, len(taken)):
            assert (last - first + 1 - count) * allowance.share_us <= (taken[last] - began_ms) * 1000


@given(st.integers(1, 50), st.integers(1, 5000), st.integers(0, 1_000_000))
def test_an_allowance_is_given(count: int, span_ms: int, now_ms: int) -> None:
    """All of it at once, and all of it again after its time."""
    allowance, over_at_us = Allowance(count, span_ms), 0
    for at_ms in (now_ms, now_ms + span_ms):
        for _ in range(count):
            assert not allowance.is_spent(over_at_us, at_ms)
            over_at_us = allowance.after(over_at_us, at_ms)
        assert allowance.is_spent(over_at_us, at_ms)


# --- everything at once

HOSTS = ["203.0.113.1", "203.0.113.2", "2001:db8::1", "2001:db8::2", "2001:db8:1::1", None]
steps = st.one_of(
    st.tuples(st.just("come"), st.sampled_from(HOSTS)),
    st.tuples(st.sampled_from(["open", "fail", "leave"]), st.integers(0, 50)),
    st.tuples(st.just("wait"), st.integers(0, 3000)),
)


@given(
    st.builds(Limits, *[st.integers(0, 4)] * 5, st.integers(0, 6)),
    st.integers(0, 2),
    st.lists(steps, max_size=150),
)
def test_counts_are_those_of_the_connections_there_are(
    limits: Limits, addresses_max: int, played: list[tuple[str, str | int | None]]
) -> None:
    admission, now_ms = Admission(limits, addresses_max), 0
    living: list[tuple[Visit, str | None]] = []
    pending: set[Visit] = set()
    for step, argument in played:
        if step == "wait":
            assert isinstance(argument, int)
            now_ms += argument
        elif step == "come":
            assert not isinstance(argument, int)
            visit = Visit(admission)
            try:
                visit.enter()
                visit.locate(argument, now_ms)
            except Refused:
                visit.leave(now_ms)
            else:
                living.append((visit, None if argument is None else site_name(argument)))
                pending.add(visit)
        elif living:
            assert isinstance(argument, int)
            visit, _ = living[argument % len(living)]
            if step == "open":
                visit.note_opened()
                pending.discard(visit)
            elif step == "fail":
                visit.note_login_failed(now_ms)
            else:
                visit.leave(now_ms)
                pending.discard(visit)
                del living[argument % len(living)]
        by_site = Counter(site for _, site in living if site is not None)
        pending_by_site = Counter(site for visit, site in living if site is not None and visit in pending)
        assert admission.pending == len(pending)
        assert {site: found.connections for site, found in admission._sites.items()} == by_site  # noqa: SLF001
        assert {site: found.pending for site, found in admission._sites.items() if found.pending} == +pending_by_site  # noqa: SLF001
        assert not limits.pending or admission.pending <= limits.pending
        assert not limits.connections_per_address or all(
            count <= limits.connections_per_address for count in by_site.values()
        )
        assert not limits.pending_per_address or all(
            count <= limits.pending_per_address for count in pending_by_site.values()
        )
        assert admission.addresses_known <= len(by_site) + addresses_max
    for visit, _ in living:
        visit.leave(now_ms)
    assert admission.pending == 0


def test_a_visit_that_was_refused_leaves_nothing() -> None:
    door = Door(connections_per_address=1)
    door.visit()
    visit = Visit(door.admission)
    visit.enter()
    with suppress(Refused):
        visit.locate(HERE, door.now_ms)
    visit.leave(door.now_ms)
    assert door.admission.pending == 1
    door.visit(THERE)
