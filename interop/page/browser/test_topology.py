"""The picture of a topology, its list, and the way of a message through it."""

import re
from collections.abc import Callable

import pytest
from conftest import VHOST
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import Tab
from test_hostile import NAMES, described, in_amqp, named


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_has_no_barriers(open_tab: Callable[..., Tab], theme: str) -> None:
    tab = open_tab(theme=theme)
    tab.show("topology", VHOST, title="Topology")
    expect(tab.page.locator("canvas.picture")).to_be_visible()
    tab.page.wait_for_timeout(400)  # it is drawn
    assert tab.barriers() == []
    tab.picture(f"topology-{theme}")


def test_it_fits_a_small_screen(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(width=390)
    tab.show("topology", VHOST, title="Topology", search="?exchange=orders&routing_key=order.eu.paid")
    expect(tab.page.locator(".explanation")).to_contain_text("Reaches")
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
    tab.picture("topology-small")


def test_all_relations_are_in_the_list_in_words(tab: Tab) -> None:
    tab.show("topology", VHOST)
    for source, how, destination in (
        ("exchange orders", "binding", "queue billing"),
        ("exchange orders", "binding", "exchange archive"),
        ("exchange orders", "alternate exchange", "exchange unknown"),
        ("queue billing", "dead letters", "queue billing.retry"),
        ("queue billing.retry", "dead letters", "queue billing"),
    ):
        row = tab.page.locator("main tbody tr").filter(has=tab.page.get_by_role("rowheader", name=source, exact=True))
        row = row.filter(has=tab.page.get_by_role("cell", name=destination, exact=True))
        expect(row.filter(has_text=how)).to_have_count(1)
    tab.page.locator("main tbody").get_by_role("link", name="archive", exact=True).first.click()
    tab.is_at("Exchange archive")


def test_one_walks_through_the_picture_by_keyboard(tab: Tab) -> None:
    tab.show("topology", VHOST)
    picture, about = tab.page.locator("canvas.picture"), tab.page.locator(".about")
    picture.focus()
    # Until one has come to the left edge, whatever stands there.
    for _ in range(4):
        tab.page.keyboard.press("ArrowLeft")
    expect(about).to_contain_text("Exchange orders (topic)")
    expect(about).to_contain_text("Alternate exchange: unknown.")
    tab.page.keyboard.press("ArrowRight")
    expect(about).to_contain_text("Bound to orders")
    for key in ("ArrowDown", "ArrowUp", "+", "-", "Shift+ArrowLeft", "0"):
        tab.page.keyboard.press(key)
    expect(about).to_contain_text("Bound to orders")
    tab.page.keyboard.press("Enter")
    tab.is_at(None)
    assert re.search(r"#/(queues|exchanges)/shop/", tab.page.url)


def test_a_click_leads_to_the_object_and_a_drag_does_not(tab: Tab) -> None:
    tab.show("topology", VHOST)
    picture, about = tab.page.locator("canvas.picture"), tab.page.locator(".about")
    expect(picture).to_be_visible()
    tab.page.wait_for_timeout(300)
    box = picture.bounding_box()
    assert box is not None
    x, y = _place_of(tab, "Exchange orders", box)
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    tab.page.mouse.move(x + 80, y + 30, steps=4)
    tab.page.mouse.up()
    tab.is_at("Topology")
    expect(about).to_contain_text("Exchange orders")
    tab.page.mouse.move(x, y)
    expect(about).not_to_contain_text("Exchange orders")
    tab.page.mouse.wheel(0, 120)
    tab.button("Fit").click()
    x, y = _place_of(tab, "Exchange orders", box)
    tab.page.mouse.click(x, y)
    tab.is_at("Exchange orders")


def _place_of(tab: Tab, words: str, box: dict[str, float]) -> tuple[float, float]:
    """Looks for a node with the pointer."""
    for x in range(20, int(box["width"]), 60):
        for y in range(10, int(box["height"]), 20):
            tab.page.mouse.move(box["x"] + x, box["y"] + y)
            if words in tab.page.inner_text(".about"):
                return box["x"] + x, box["y"] + y
    raise AssertionError(f"there is no {words}")


def test_what_is_sought_is_counted(tab: Tab) -> None:
    tab.show("topology", VHOST)
    expect(tab.page.locator("canvas.picture")).to_be_visible()
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("BILLING")
    expect(tab.page.locator(".topology [role=status]").first).to_contain_text(re.compile(r"^2 of \d+ objects$"))
    tab.page.keyboard.press("Enter")
    tab.picture("topology-search-light")


def test_where_a_message_would_go_and_why(tab: Tab) -> None:
    tab.show("topology", VHOST)
    tab.button("Where would this go?").click()
    way = tab.page.locator(".way")
    way.get_by_label("Exchange").fill("orders")
    way.get_by_label("Routing key").fill("order.eu.paid")
    tab.button("Show the way").click()
    explanation = way.locator(".explanation")
    expect(explanation).to_contain_text("Reaches 3 queues: billing, shipping, events")
    expect(explanation.locator(".matches").filter(has_text="order.*.paid")).to_contain_text("the pattern fits")
    expect(explanation.locator(".differs")).to_contain_text("format = 'pdf' (is not there)")
    expect(explanation).to_contain_text("Alternate exchange unknown (argument alternate-exchange): not used")
    expect(explanation).to_contain_text("Dead letters go to (default exchange) with the key billing.retry")
    expect(explanation).to_contain_text("a cycle")
    assert tab.barriers() == []
    tab.picture("topology-way-light")

    way.get_by_role("button", name="+ header").click()
    way.get_by_label("Name of the header").fill("format")
    way.get_by_label("Value of format").fill("pdf")
    tab.button("Show the way").click()
    expect(explanation).to_contain_text("Reaches 4 queues: billing, shipping, events, invoices")
    expect(explanation.locator(".differs")).to_have_count(0)

    # The address has all of it.
    tab.page.reload()
    expect(explanation).to_contain_text("Reaches 4 queues: billing, shipping, events, invoices")
    way.get_by_label("Routing key").fill("payment")
    tab.button("Show the way").click()
    expect(explanation).to_contain_text("Reaches 1 queue: unrouted")
    expect(explanation).to_contain_text("used, for nothing matches")
    tab.button("Clear").click()
    expect(explanation).to_have_count(0)


def test_an_exchange_that_is_not_there(tab: Tab) -> None:
    tab.show("topology", VHOST, search="?exchange=ordres&routing_key=x")
    explanation = tab.page.locator(".explanation")
    expect(explanation).to_contain_text("Refused with 404")
    expect(explanation).to_contain_text("Did you mean orders?")


def test_dead_letters_that_are_lost_are_seen(tab: Tab) -> None:
    ask("PUT", at("queues", VHOST, "loses"), {"durable": True, "arguments": {"x-dead-letter-exchange": "faild"}})
    tab.show("topology", VHOST)
    row = tab.page.locator("main tbody tr").filter(has_text="loses")
    expect(row).to_contain_text("faild does not exist")
    ask("DELETE", at("queues", VHOST, "loses"))
    expect(row).to_have_count(0)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names_are_text(tab: Tab, name: str) -> None:
    vhost = f"t{name}"
    ask("PUT", at("vhosts", vhost), {})
    ask("PUT", at("permissions", vhost, "guest"), dict.fromkeys(("configure", "write", "read"), ".*"))
    ask("PUT", at("exchanges", vhost, name), {"type": "topic", "durable": True, "arguments": {name: name}})
    ask("PUT", at("queues", vhost, name), {"durable": True, "arguments": {"x-dead-letter-exchange": name}})
    ask("POST", at("bindings", vhost, "e", name, "q", name), {"routing_key": name, "arguments": {name: name}})
    inner = in_amqp(name)
    tab.show("topology", vhost)
    expect(tab.page.locator("main tbody tr")).to_have_count(2)
    expect(tab.page.locator("main tbody tr").first).to_contain_text(described(named(inner)))
    tab.button("Where would this go?").click()
    way = tab.page.locator(".way")
    way.get_by_label("Exchange").fill(inner)
    way.get_by_label("Routing key").fill(inner)
    tab.button("Show the way").click()
    expect(way.locator(".explanation")).to_contain_text(re.compile(r"(Reaches 1 queue|Not routed)"))
    expect(way.locator(".explanation")).to_contain_text(described(named(inner)))
    tab.forget_what_is_gone()
    ask("DELETE", at("vhosts", vhost))
