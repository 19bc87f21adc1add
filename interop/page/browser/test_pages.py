"""Every page, in both themes: it comes, with what it is about, without barriers, and fits a small screen."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from conftest import VHOST
from site_of_broker import ask
from tab import Tab


class Shown(NamedTuple):
    """A page: its address, and what its heading says."""

    name: str
    segments: tuple[str, ...]
    title: str


STUCK, CHANNEL = "<stuck>", "<channel>"
"""Stand for the names of the connection of the stuck consumer, and of its channel."""

PAGES = (
    Shown("overview", (), "Overview"),
    Shown("queues", ("queues",), "Queues"),
    Shown("queue", ("queues", VHOST, "billing"), "Queue billing"),
    Shown("queue-quorum", ("queues", VHOST, "shipping"), "Queue shipping"),
    Shown("stream", ("queues", VHOST, "events"), "Queue events"),
    Shown("exchanges", ("exchanges",), "Exchanges"),
    Shown("exchange", ("exchanges", VHOST, "orders"), "Exchange orders"),
    Shown("exchange-default", ("exchanges", VHOST, "amq.default"), "(default exchange)"),
    Shown("connections", ("connections",), "Connections"),
    Shown("connection", ("connections", STUCK), "Connection 127.0.0.1"),
    Shown("channels", ("channels",), "Channels"),
    Shown("channel", ("channels", CHANNEL), "Channel 127.0.0.1"),
    Shown("consumers", ("consumers",), "Consumers"),
    Shown("vhosts", ("vhosts",), "Virtual hosts"),
    Shown("vhost", ("vhosts", VHOST), "Virtual host shop"),
    Shown("users", ("users",), "Users"),
    Shown("user", ("users", "worker"), "User worker"),
    Shown("policies", ("policies",), "Policies"),
    Shown("policy", ("policies", VHOST, "limits"), "Policy limits"),
    Shown("limits", ("limits",), "Limits"),
    Shown("streams", ("streams",), "Streams"),
)


def stuck() -> str:
    """The name of the connection of a consumer that acknowledges nothing."""
    found = ask("GET", "/connections?columns=name,user_provided_name")
    return str(next(each["name"] for each in found if each["user_provided_name"] == "invoices, stuck"))


def segments_of(shown: Shown) -> list[str]:
    names = {STUCK: stuck(), CHANNEL: f"{stuck()} (1)"}
    return [names.get(each, each) for each in shown.segments]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("shown", PAGES, ids=[page.name for page in PAGES])
def test_a_page_has_no_barriers(open_tab: Callable[..., Tab], shown: Shown, theme: str) -> None:
    tab = open_tab(theme=theme)
    tab.show(*segments_of(shown), title=shown.title)
    tab.page.wait_for_timeout(400)  # charts are drawn
    assert tab.page.evaluate("document.documentElement.dataset.theme") == theme
    assert tab.page.title().endswith("amqpy") or "·" in tab.page.title()
    assert tab.barriers() == []
    tab.picture(f"{shown.name}-{theme}")


@pytest.mark.parametrize("shown", PAGES, ids=[page.name for page in PAGES])
def test_a_page_fits_a_small_screen(open_tab: Callable[..., Tab], shown: Shown) -> None:
    tab = open_tab(width=390)
    tab.show(*segments_of(shown), title=shown.title)
    tab.page.wait_for_timeout(200)
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
    tab.picture(f"{shown.name}-small")


def test_all_pages_are_reached_by_the_menu(tab: Tab) -> None:
    tab.show()
    menu = tab.page.get_by_role("navigation", name="Pages").first
    for link in menu.get_by_role("link").all():
        title = link.inner_text()
        link.click()
        tab.is_at(title)
        assert menu.locator("[aria-current=page]").inner_text() == title


def test_an_address_that_leads_nowhere_says_so(tab: Tab) -> None:
    tab.show("nope", title="No such page")
    tab.show("queues", VHOST, "nope", title="No such queue: nope")
    tab.show("policies", VHOST, "nope", title="No such policy: nope")
    tab.refused()


def test_alarms_are_told_in_words(open_tab: Callable[..., Tab]) -> None:
    import os

    tab = open_tab(site=os.environ["SHORT_URL"])
    tab.show(title="Overview")
    alarm = tab.page.get_by_role("alert").filter(has_text="Memory is short")
    alarm.wait_for()
    assert "1.0 MiB is the high watermark" in alarm.inner_text()
    assert "blocked" in alarm.inner_text()
    assert tab.barriers() == []
    tab.picture("overview-alarm")
