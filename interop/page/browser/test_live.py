"""What passes: messages that are tapped, events, and what is left out."""

import json
import os
from collections.abc import Callable

import pika
import pytest
from conftest import VHOST
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import Tab
from test_hostile import NAMES, described, in_amqp, named


def test_nothing_is_watched_at_first(tab: Tab) -> None:
    tab.show("live", title="Live")
    expect(tab.page.locator("main")).to_contain_text("Watch a queue or an exchange")
    assert tab.barriers() == []
    tab.picture("live-empty-light")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_messages_are_seen_as_they_pass(open_tab: Callable[..., Tab], theme: str) -> None:
    tab = open_tab(theme=theme)
    tab.show("exchanges", VHOST, "orders", title="Exchange orders")
    tab.page.get_by_role("link", name="Watch").click()
    tab.is_at("Live")
    log = tab.page.locator("table.log tbody")
    expect(log).to_contain_text("order.eu.paid")
    row = log.locator("tr").filter(has_text="order.eu.paid").first
    expect(row).to_contain_text("orders → billing and 3 more")
    # What one looks at does not move away.
    row.get_by_role("button").click()
    expect(tab.page.get_by_role("button", name="Go on")).to_be_visible()
    message = tab.page.locator("article.message")
    expect(message).to_contain_text("By connection 127.0.0.1")
    expect(message.locator("pre")).to_contain_text('"order":')
    assert tab.barriers() == []
    tab.picture(f"live-{theme}")
    tab.page.get_by_role("button", name="Go on").click()
    expect(message).to_have_count(0)


def test_it_fits_a_small_screen(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(width=390)
    tab.show("live", search=f"?tap=/exchanges/{VHOST}/orders")
    expect(tab.page.locator("table.log tbody")).to_contain_text("order.eu.paid")
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
    tab.picture("live-small")


def test_it_is_paused_filtered_and_cleared(tab: Tab) -> None:
    tab.show("queues", VHOST, "billing", title="Queue billing")
    tab.page.get_by_role("link", name="Watch").click()
    log = tab.page.locator("table.log tbody")
    for words in ("came in", "delivered", "dead-lettered"):
        expect(log).to_contain_text(words)
    expect(log.locator("tr").filter(has_text="dead-lettered").first).to_contain_text("rejected")
    tab.button("Pause").click()
    before = log.inner_text()
    tab.page.wait_for_timeout(600)
    assert log.inner_text() == before
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("DEAD_lettered")
    expect(log.locator("tr").filter(has_text="came in")).to_have_count(0)
    expect(log.locator("tr").filter(has_text="dead-lettered").first).to_be_visible()
    tab.page.get_by_role("searchbox").fill("nothing of this kind")
    expect(log.locator("tr")).to_have_count(0)
    tab.page.get_by_role("searchbox").fill("")
    tab.button("Clear").click()
    expect(log.locator("tr").first).to_be_visible()
    tab.button(f"Do not watch queue billing in {VHOST}").click()
    expect(tab.page.locator("main")).to_contain_text("Watch a queue or an exchange")


def test_events_tell_who_connects_and_what_is_declared(tab: Tab) -> None:
    tab.show("live")
    tab.button("Queues, exchanges, bindings").click()
    tab.button("Connections and channels").click()
    log = tab.page.locator("table.log tbody")
    expect(tab.page.locator(".watched li")).to_have_count(5)
    tab.page.wait_for_timeout(500)
    ask("PUT", at("queues", VHOST, "declared"), {"durable": True})
    row = log.locator("tr").filter(has_text="queue.created")
    expect(row).to_contain_text("declared")
    row.get_by_role("button").click()
    expect(tab.page.get_by_role("table", name="Properties of the event")).to_contain_text("durable")
    ask("DELETE", at("queues", VHOST, "declared"))
    tab.page.get_by_role("button", name="Go on").click()
    expect(log).to_contain_text("queue.deleted")
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    expect(log).to_contain_text("connection.created")
    connection.close()
    expect(log).to_contain_text("connection.closed")
    tab.picture("live-events-light")


def test_sources_are_chosen_by_a_form(tab: Tab) -> None:
    tab.show("live")
    form = tab.page.locator("main form")
    form.get_by_label("Messages of").select_option("exchanges")
    form.get_by_label("Virtual host").select_option(VHOST)
    form.get_by_label("Name").fill("orders")
    tab.button("Watch").click()
    expect(tab.page.locator("table.log tbody")).to_contain_text("order.eu.paid")
    form.get_by_label("Messages of").select_option("events")
    form.get_by_label("Names").fill("user.*")
    tab.button("Watch").click()
    expect(tab.page.locator(".watched")).to_contain_text("events user.*")
    expect(tab.page.locator(".watched")).to_contain_text("exchange orders in shop")


def test_what_one_may_not_see_is_refused_where_it_is_named(tab: Tab) -> None:
    tab.show("live", search=f"?tap=/queues/{VHOST}/nope&tap=/exchanges/{VHOST}/orders")
    source = tab.page.locator(".watched li").first
    expect(source).to_contain_text("no queue 'nope'")
    expect(tab.page.locator("table.log tbody")).to_contain_text("order.eu.paid")
    ask("PUT", at("queues", VHOST, "nope"), {"durable": True})
    expect(source).not_to_contain_text("no queue")
    ask("DELETE", at("queues", VHOST, "nope"))
    expect(source).to_contain_text("no queue")


def test_it_is_told_how_many_were_left_out(tab: Tab) -> None:
    ask("PUT", at("queues", VHOST, "flood"), {"durable": False})
    tab.show("live", search=f"?tap=/queues/{VHOST}/flood")
    expect(tab.page.locator("main .toolbar")).to_contain_text("waiting…")
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.virtual_host = VHOST
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    for number in range(3000):
        channel.basic_publish("", "flood", json.dumps({"n": number}).encode())
    connection.close()
    expect(tab.page.locator("table.log .gap").first).to_contain_text("more passed, too many to be shown")
    expect(tab.page.locator("main .toolbar")).to_contain_text("were skipped by the broker")
    ask("DELETE", at("queues", VHOST, "flood"))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_what_passes_is_text(tab: Tab, name: str) -> None:
    inner = in_amqp(name)
    tab.show("live", search=f"?tap={at('queues', VHOST, inner).replace('%', '%25')}&events=%23")
    source = tab.page.locator(".watched li").first
    expect(source).to_contain_text("no queue")
    ask("PUT", at("queues", VHOST, name), {"durable": True, "arguments": {name: name}})
    log = tab.page.locator("table.log tbody")
    expect(log.locator("tr").filter(has_text="queue.created").first).to_contain_text(described(named(inner)))
    expect(source).not_to_contain_text("no queue")
    message = {
        "properties": {"headers": {name: name}},
        "routing_key": inner,
        "payload": name,
        "payload_encoding": "string",
    }
    ask("POST", at("exchanges", VHOST, "amq.default", "publish"), message)
    row = log.locator("tr").filter(has_text="came in").first
    expect(row).to_be_visible()
    row.get_by_role("button").click()
    expect(tab.page.locator("article.message")).to_be_visible()
    ask("DELETE", at("queues", VHOST, in_amqp(name)))
