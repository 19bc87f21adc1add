"""Rates by pair, which a broker has in the rates mode `detailed`: who publishes where, and who gets it."""

import os
import re
from collections.abc import Callable

from conftest import VHOST
from playwright.sync_api import Locator, expect
from site_of_broker import ask
from tab import Tab

FLOWS = re.compile(r"\d+\.\d")
"""A rate that is not 0."""


def channel_of(client: str) -> str:
    found = ask("GET", "/connections?columns=name,user_provided_name")
    return next(f"{each['name']} (1)" for each in found if each["user_provided_name"] == client)


def row(tab: Tab, title: str, name: str) -> Locator:
    part = tab.page.locator(".list").filter(has=tab.page.get_by_role("heading", name=title, exact=True))
    return part.locator("tbody tr").filter(has=tab.page.get_by_role("link", name=name, exact=True))


def test_who_publishes_to_an_exchange_and_where_it_goes(tab: Tab) -> None:
    tab.show("exchanges", VHOST, "orders", title="Exchange orders")
    publisher = row(tab, "Who publishes to it", channel_of("web frontend"))
    expect(publisher.locator("td.number")).to_have_text([FLOWS, FLOWS])
    expect(row(tab, "Where it goes", "shipping").locator("td.number")).to_have_text([FLOWS])
    assert tab.barriers() == []
    publisher.get_by_role("link").click()
    tab.is_at("Channel")
    expect(row(tab, "Publishes to", "orders").locator("td.number")).to_have_text([FLOWS, FLOWS])
    expect(tab.page.locator("main")).to_contain_text("It has got no message.")


def test_where_messages_of_a_queue_come_from_and_who_gets_them(tab: Tab) -> None:
    tab.show("queues", VHOST, "shipping", title="Queue shipping")
    expect(row(tab, "Where messages come from", "orders").locator("td.number")).to_have_text([FLOWS])
    taker = row(tab, "Who gets them", channel_of("shipping"))
    expect(taker.locator("td.number")).to_have_text([FLOWS, FLOWS, "0"])
    taker.get_by_role("link").click()
    tab.is_at("Channel")
    expect(row(tab, "Gets messages of", "shipping").locator("td.number")).to_have_text([FLOWS, FLOWS, "0"])


def test_a_broker_that_does_not_count_by_pair_shows_none(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(site=os.environ["SHORT_URL"])
    tab.show("exchanges", "/", "amq.topic", title="Exchange amq.topic")
    expect(tab.page.get_by_role("heading", name="Bindings from it")).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Arguments and policy")).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Who publishes to it")).to_have_count(0)
