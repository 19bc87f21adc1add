"""What is stuck, and what leads to the means against it."""

import os
from collections.abc import Callable

import pytest
from conftest import VHOST
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import Tab
from test_hostile import NAMES, described, in_amqp, named


def publish(queue: str) -> None:
    message = {"properties": {}, "routing_key": queue, "payload": "x", "payload_encoding": "string"}
    ask("POST", at("exchanges", VHOST, "amq.default", "publish"), message)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_findings_have_no_barriers(open_tab: Callable[..., Tab], theme: str) -> None:
    publish("unrouted")
    tab = open_tab(theme=theme)
    tab.show("stuck", title="Stuck?")
    expect(tab.page.locator("main")).to_contain_text("Queues that nobody consumes")
    assert tab.barriers() == []
    tab.picture(f"stuck-{theme}")


def test_it_fits_a_small_screen(open_tab: Callable[..., Tab]) -> None:
    publish("unrouted")
    tab = open_tab(width=390)
    tab.show("stuck", title="Stuck?")
    expect(tab.page.locator(".findings").first).to_be_visible()
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
    tab.picture("stuck-small")


def test_a_finding_leads_to_the_messages(tab: Tab) -> None:
    publish("unrouted")
    tab.show("stuck")
    finding = tab.page.locator(".findings li").filter(has_text="Queue 'unrouted'").first
    expect(finding).to_contain_text("and no consumer")
    finding.get_by_role("link", name="look at the messages").click()
    tab.is_at("Messages of unrouted")


def test_unroutable_messages_lead_to_the_way_that_they_took(tab: Tab) -> None:
    ask("PUT", at("exchanges", VHOST, "hole"), {"type": "topic", "durable": True})
    message = {"properties": {}, "routing_key": "x", "payload": "x", "payload_encoding": "string"}
    ask("POST", at("exchanges", VHOST, "hole", "publish"), message)
    tab.show("stuck")
    finding = tab.page.locator(".findings li").filter(has_text="Exchange 'hole'")
    expect(finding).to_contain_text("1 message")
    finding.get_by_role("link", name="where would it go?").click()
    tab.is_at("Topology")
    expect(tab.page.locator(".explanation")).to_contain_text("Not routed")
    ask("DELETE", at("exchanges", VHOST, "hole"))
    tab.forget_what_is_gone()


def test_an_alarm_is_the_gravest(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(site=os.environ["SHORT_URL"])
    tab.show("stuck", title="Stuck?")
    expect(tab.page.locator("main h2").first).to_contain_text("Alarms")
    expect(tab.page.locator(".findings li").first).to_contain_text("The alarm for memory is set")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names_are_text(tab: Tab, name: str) -> None:
    ask("PUT", at("queues", VHOST, name), {"durable": True})
    publish(in_amqp(name))
    tab.show("stuck")
    link = tab.page.locator(".findings").get_by_role("link", name=described(named(in_amqp(name))), exact=True).first
    expect(link).to_be_visible()
    link.click()
    tab.is_at("Queue")
    ask("DELETE", at("queues", VHOST, in_amqp(name)))
    tab.forget_what_is_gone()
