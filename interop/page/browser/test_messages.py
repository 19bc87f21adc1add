"""Messages of a queue: seen, sought, got, published, moved."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator

import pika
import pytest
from conftest import VHOST
from playwright.sync_api import Locator, expect
from site_of_broker import ask, at
from tab import Tab
from test_hostile import NAMES

QUEUE = "stack"

TO = "\N{EN DASH}"


@pytest.fixture(autouse=True)
def queues() -> Iterator[None]:
    """A queue whose dead letters go to another one."""
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "graves"}
    ask("PUT", at("queues", VHOST, QUEUE), {"durable": True, "arguments": dead})
    ask("PUT", at("queues", VHOST, "graves"), {"durable": True})
    yield
    for name in (QUEUE, "graves"):
        ask("DELETE", at("queues", VHOST, name))


def publish(
    payload: str | bytes,
    properties: dict[str, object] | None = None,
    *,
    key: str = QUEUE,
    exchange: str = "amq.default",
) -> bool:
    octets = payload.encode() if isinstance(payload, str) else payload
    message = {
        "properties": properties or {},
        "routing_key": key,
        "payload": base64.b64encode(octets).decode(),
        "payload_encoding": "base64",
    }
    return bool(ask("POST", at("exchanges", VHOST, exchange, "publish"), message)["routed"])


def contents(queue: str = QUEUE, state: str = "ready") -> list[dict[str, object]]:
    found: list[dict[str, object]] = ask("GET", at("queues", VHOST, queue, "peek") + f"?count=1000&state={state}")
    return found


def kill(count: int) -> None:
    """Rejects messages, so that they come into the other queue."""
    body = {"count": count, "ackmode": "reject_requeue_false", "encoding": "auto"}
    assert len(ask("POST", at("queues", VHOST, QUEUE, "get"), body)) == count


def row(tab: Tab, number: int) -> Locator:
    return tab.page.get_by_role("button", name=f"Message {number}", exact=True)


def open_message(tab: Tab, number: int) -> Locator:
    row(tab, number).click()
    return tab.page.locator("article.message")


# --- seeing


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_message_is_shown_without_barriers(open_tab: Callable[..., Tab], theme: str) -> None:
    properties = {
        "headers": {"tenant": "acme", "attempt": 3, "trace": {"id": "7f3a", "sampled": True}},
        "content_type": "application/json",
        "delivery_mode": 2,
        "message_id": "m-1",
        "priority": 4,
        "timestamp": 1_700_000_000,
    }
    order = {"order": 12345678901234567890, "customer": {"name": "Zoë", "vip": True}, "lines": [{"sku": "A-1", "n": 2}]}
    publish(json.dumps(order, ensure_ascii=False), properties)
    kill(1)
    tab = open_tab(theme=theme)
    tab.show("messages", VHOST, "graves", title="Messages of graves")
    message = open_message(tab, 1)
    expect(message.locator("pre")).to_contain_text('"order": 12345678901234567890,\n  "customer": {\n    "name": "Zoë"')
    expect(message).to_contain_text("2 persistent")
    expect(message).to_contain_text("attempt3 number")
    expect(message).to_contain_text("Died once: a consumer rejected it")
    assert tab.barriers() == []
    tab.picture(f"message-{theme}")
    assert len(contents("graves")) == 1
    assert contents("graves")[0]["redelivered"] is False


def test_it_fits_a_small_screen(open_tab: Callable[..., Tab]) -> None:
    publish("x" * 300, {"headers": {"name": "y" * 200}})
    tab = open_tab(width=390)
    tab.show("messages", VHOST, QUEUE, title="Messages of stack")
    open_message(tab, 1)
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
    tab.picture("message-small")


def test_bodies_are_shown_as_what_they_are(tab: Tab) -> None:
    publish(bytes(range(256)))
    publish("plain \u202etext\x00")
    publish("")
    publish("z" * 5000)
    tab.show("messages", VHOST, QUEUE)
    message = open_message(tab, 1)
    expect(message.locator("pre")).to_contain_text("000000f0  f0 f1 f2 f3 f4 f5 f6 f7  f8 f9 fa fb fc fd fe ff")
    expect(message.get_by_label("Form of the body").get_by_role("button")).to_have_text(["hex"])
    row(tab, 1).click()
    expect(open_message(tab, 2).locator("pre")).to_have_text("plain \\u202etext\\u0000")
    tab.button("hex", message).click()
    expect(message.locator("pre")).to_contain_text("70 6c 61 69 6e 20 e2 80  ae")
    expect(open_message(tab, 3)).to_contain_text("The body is empty.")
    # The list has only its beginning.
    expect(open_message(tab, 4).locator("pre")).to_have_text("z" * 5000)
    with tab.page.expect_download() as saving:
        tab.button("Save…", message).click()
    assert saving.value.path().read_bytes() == b"z" * 5000


def test_pages_follow_each_other(tab: Tab) -> None:
    for number in range(120):
        publish(f"number {number}")
    tab.show("messages", VHOST, QUEUE)
    expect(tab.page.locator("table.messages")).to_contain_text("number 49")
    tab.page.keyboard.press("]")
    expect(tab.page.locator("table.messages")).to_contain_text("number 99")
    expect(row(tab, 51)).to_be_visible()
    tab.page.keyboard.press("]")
    expect(row(tab, 120)).to_be_visible()
    expect(tab.button("Next messages")).to_be_disabled()
    tab.page.reload()
    expect(row(tab, 101)).to_be_visible()
    tab.button("First").click()
    expect(row(tab, 1)).to_be_visible()


def test_who_holds_a_message_that_is_unacknowledged(tab: Tab) -> None:
    publish("held")
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.virtual_host = VHOST
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.basic_consume(QUEUE, lambda *_: None, consumer_tag="<b>holder</b>")
    connection.process_data_events(0.5)
    tab.show("messages", VHOST, QUEUE)
    expect(tab.page.locator("main")).to_contain_text("No message is ready here.")
    tab.page.get_by_role("button", name="Unacknowledged").click()
    message = open_message(tab, 1)
    expect(message).to_contain_text("<b>holder</b>")
    message.get_by_role("link", name="(1)").click()
    tab.is_at("Channel 127.0.0.1")
    connection.close()


def test_messages_are_sought(tab: Tab) -> None:
    for number in range(30):
        headers = {"number": number, "text": str(number), "even": number % 2 == 0}
        publish(f"body {number}", {"headers": headers, "message_id": f"m-{number}"})
    tab.show("messages", VHOST, QUEUE)
    for fields, found in (
        ({"body": "body 1"}, 11),
        ({"header": "number", "header_value": "7"}, 1),
        ({"header": "number", "header_value": '"7"'}, 0),
        ({"header": "text", "header_value": '"7"'}, 1),
        ({"header": "even", "header_value": "true", "body": "2"}, 7),
        ({"header": "even", "header_value": ""}, 30),
        ({"property": "message_id", "property_value": "m-3"}, 1),
        ({"routing_key": "nope"}, 0),
        ({"death_reason": "rejected"}, 0),
        ({"from_exchange": "amq.default"}, 30),
    ):
        tab.button("Search…").click()
        for name in ("body", "routing_key", "header", "header_value", "property_value", "death_queue", "from_exchange"):
            tab.fill(**{name: ""})
        tab.fill(property="", death_reason="")
        tab.fill(**fields)
        tab.send("Search")
        expect(tab.page.locator(".pager [role=status]")).to_contain_text(f"{found} found among 1{TO}30")
    kill(2)
    tab.show("messages", VHOST, "graves", search='?filter={"death_reason":"rejected"}')
    expect(tab.page.locator(".pager [role=status]")).to_contain_text(f"2 found among 1{TO}2")
    tab.picture("messages-search-light")
    tab.button("Search no more").click()
    expect(tab.page.locator(".pager [role=status]")).to_contain_text(f"1{TO}2")


def test_a_filter_that_is_none_is_refused_in_the_words_of_the_api(tab: Tab) -> None:
    tab.show("messages", VHOST, QUEUE, search='?filter={"nope":1}')
    expect(tab.page.locator("main .failure").first).to_contain_text("filter has no condition nope")
    assert tab.refused() == [(400, "GET")]


# --- getting


@pytest.mark.parametrize(
    ("mode", "left", "dead", "redelivered"),
    [
        ("ack_requeue_true", 3, 0, True),
        ("ack_requeue_false", 1, 0, False),
        ("reject_requeue_true", 3, 0, True),
        ("reject_requeue_false", 1, 2, False),
    ],
)
def test_messages_are_got(tab: Tab, mode: str, left: int, dead: int, redelivered: bool) -> None:
    for number in range(3):
        publish(f"number {number}")
    tab.show("messages", VHOST, QUEUE)
    tab.button("Get…").click()
    tab.fill(count="2", mode=mode)
    tab.send("Get")
    got = tab.page.get_by_role("region", name="Messages that were got")
    expect(got).to_contain_text("number 1")
    expect(tab.page.locator("main h2").first).to_contain_text("Got 2 messages")
    assert len(contents()) == left
    assert len(contents("graves")) == dead
    assert contents()[0]["redelivered"] is redelivered
    # The list below has been looked at again.
    expect(tab.page.locator("table.messages").last.locator("tbody tr")).to_have_count(left)
    tab.picture(f"messages-got-{mode}-light")


# --- publishing


def test_a_message_is_published_and_it_is_told_where_it_went(tab: Tab) -> None:
    tab.show("messages", VHOST, QUEUE)
    tab.button("Publish…").click()
    tab.fill(payload='{"a": 1}')
    tab.button("+ header", tab.dialog).click()
    tab.dialog.get_by_label("Name of the header").fill("number")
    tab.dialog.get_by_label("Type of number").select_option("number")
    tab.dialog.get_by_label("Value of number").fill("7")
    tab.dialog.locator("summary").click()
    tab.fill(content_type="application/json", priority="9", expiration="60000")
    tab.button("Publish", tab.dialog).click()
    outcome = tab.dialog.locator(".outcome")
    expect(outcome).to_contain_text("Published, and routed.")
    expect(outcome).to_contain_text("Reaches 1 queue: stack")
    assert tab.barriers() == []
    tab.picture("message-publish-light")
    message = contents()[0]
    assert message["payload"] == '{"a": 1}'
    assert message["properties"] == {
        "content_type": "application/json",
        "headers": {"number": 7},
        "delivery_mode": 2,
        "priority": 9,
        "expiration": "60000",
    }

    tab.fill(exchange="orders", routing_key="order.eu.7.paid")
    tab.button("Where would it go?", tab.dialog).click()
    expect(outcome).to_contain_text("Reaches 2 queues: shipping, events")
    expect(outcome).not_to_contain_text("Published")
    expect(outcome.locator(".differs").first).to_contain_text("'paid' is wanted where the key has '7'")

    tab.fill(exchange="archive", routing_key="")
    tab.button("Publish", tab.dialog).click()
    expect(outcome).to_contain_text("Published, but not routed.")
    expect(outcome.locator(".differs")).to_contain_text("format = 'pdf' (is not there)")

    tab.fill(exchange="nope")
    assert tab.refuse("Publish") == "exchange_not_found"
    assert tab.refused() == [(404, "POST")]
    tab.fill(priority="high")
    assert tab.refuse("Publish") == "priority must be a whole number."


def test_templates_are_kept(tab: Tab) -> None:
    tab.show("messages", VHOST, QUEUE)
    tab.button("Publish…").click()
    tab.fill(payload="kept", routing_key="somewhere")
    tab.dialog.get_by_label("Template").fill("__proto__")
    tab.button("Save", tab.dialog).click()
    expect(tab.button("Forget", tab.dialog)).to_be_enabled()
    tab.page.reload()
    tab.button("Publish…").click()
    tab.dialog.get_by_label("Template").fill("__proto__")
    expect(tab.dialog.locator("[name=payload]")).to_have_value("kept")
    expect(tab.dialog.locator("[name=routing_key]")).to_have_value("somewhere")
    tab.button("Forget", tab.dialog).click()
    expect(tab.button("Forget", tab.dialog)).to_be_disabled()
    assert tab.page.evaluate("localStorage.getItem('amqpy.templates')") == "{}"


def test_a_message_is_published_again_as_it_was(tab: Tab) -> None:
    publish(bytes([0, 255, 128]), {"headers": {"list": [1, "a", True]}, "type": "t", "delivery_mode": 2})
    tab.show("messages", VHOST, QUEUE)
    tab.button("Publish again…", open_message(tab, 1)).click()
    tab.button("Publish", tab.dialog).click()
    expect(tab.dialog.locator(".outcome")).to_contain_text("Published, and routed.")
    first, second = contents()
    for key in ("payload", "payload_encoding", "properties", "routing_key", "exchange"):
        assert first[key] == second[key]


def test_a_message_is_published_to_an_exchange(tab: Tab) -> None:
    tab.show("exchanges", VHOST, "unknown", title="Exchange unknown")
    tab.button("Publish…").click()
    tab.fill(payload="to all")
    tab.button("Publish", tab.dialog).click()
    expect(tab.dialog.locator(".outcome")).to_contain_text("Reaches 1 queue: unrouted")


# --- moving


def test_the_way_of_a_dead_letter_and_back(tab: Tab) -> None:
    for number in range(3):
        publish(f"number {number}", {"message_id": f"m-{number}"})
    kill(3)
    tab.show("messages", VHOST, "graves")
    message = open_message(tab, 2)
    path = message.locator(".deaths li")
    expect(path).to_have_count(2)
    expect(path.first).to_contain_text("published to (default exchange) with stack → queue stack")
    expect(path.first).to_contain_text("rejected: a consumer rejected it")
    expect(path.last).to_contain_text("queue graves, where it is now")
    tab.button("Send back…", message).click()
    expect(tab.dialog).to_contain_text("1 message would be moved: 1 to stack")
    tab.picture("message-send-back-light")
    tab.button("Move 1 message", tab.dialog).click()
    expect(tab.dialog).to_contain_text("1 message moved: 1 to stack")
    tab.button("Close", tab.dialog.locator(".outcome")).click()
    assert [each["payload"] for each in contents()] == ["number 1"]
    assert [each["payload"] for each in contents("graves")] == ["number 0", "number 2"]
    expect(row(tab, 3)).to_have_count(0)


def test_many_are_moved_and_first_it_is_told_what_would_happen(tab: Tab) -> None:
    for number in range(40):
        publish(f"number {number}", {"headers": {"even": number % 2 == 0}})
    kill(40)
    ask(
        "POST",
        at("exchanges", VHOST, "amq.default", "publish"),
        {"properties": {}, "routing_key": "graves", "payload": "alive", "payload_encoding": "string"},
    )
    tab.show("messages", VHOST, "graves")
    tab.button("Move…").click()
    expect(tab.dialog).to_contain_text("40 messages would be moved: 40 to stack")
    expect(tab.dialog).to_contain_text("1 have not died anywhere, and stay")
    tab.picture("messages-move-light")
    assert tab.barriers() == []
    tab.fill(count="5")
    # What was told is not what is asked for now.
    assert "has changed" in tab.refuse("Move 40 messages")
    expect(tab.dialog).to_contain_text("5 messages would be moved")
    assert len(contents()) == 0
    tab.button("Move 5 messages", tab.dialog).click()
    expect(tab.dialog).to_contain_text("5 messages moved")
    assert len(contents()) == 5
    tab.button("Close", tab.dialog.locator(".outcome")).click()

    tab.show("messages", VHOST, "graves", search='?filter={"headers":{"even":false}}')
    tab.button("Move…").click()
    expect(tab.dialog).to_contain_text("of which header even is false")
    tab.fill(where="exchange", exchange="", key="nowhere")
    tab.button("Dry run", tab.dialog).click()
    expect(tab.dialog).to_contain_text("0 messages would be moved")
    expect(tab.dialog).to_contain_text("would reach no queue, and stay")
    tab.fill(exchange="unknown", key="")
    tab.button("Dry run", tab.dialog).click()
    expect(tab.dialog).to_contain_text("18 messages would be moved: 18 to unrouted")
    tab.fill(exchange="nope")
    tab.button("Dry run", tab.dialog).click()
    expect(tab.dialog).to_contain_text("no exchange 'nope'")
    assert tab.refused() == [(404, "POST")]


# --- hostile messages


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES.keys())
def test_messages_are_text(tab: Tab, text: str) -> None:
    short = text.encode()[:200].decode(errors="ignore")
    names = ("content_type", "content_encoding", "correlation_id", "reply_to", "message_id", "type", "app_id")
    properties = dict.fromkeys(names, short)
    headers = {short: text, "nested": {short: [text, {short: text}]}, "x-death": text}
    publish(text, {**properties, "headers": headers})
    publish(json.dumps({text: [text, {text: text}]}, ensure_ascii=False), {"headers": headers})
    tab.show("messages", VHOST, QUEUE)
    message = open_message(tab, 1)
    expect(message.locator("pre")).to_be_visible()
    tab.button("Move…", message).click()
    expect(tab.dialog).to_contain_text("1 have not died anywhere, and stay")
    tab.page.keyboard.press("Escape")
    tab.button("Publish again…", message).click()
    expect(tab.dialog.locator("[name=payload]")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.dialog).to_have_count(0)
    message = open_message(tab, 2)
    tab.button("text", message).click()
    tab.button("JSON", message).click()
    tab.button("Move…").first.click()
    expect(tab.dialog).to_contain_text("2 have not died anywhere, and stay")


DOCUMENTS = {
    "text/html": "<!doctype html><script>window.hacked=1</script><iframe srcdoc='<script>parent.hacked=1</script>'>",
    "image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload='window.hacked=1'><script>hacked=1</script></svg>",
    "text/javascript": "window.hacked=1; top.hacked=1",
    "application/json": '{"__proto__": {"hacked": 1}, "</pre><img src=x onerror=hacked=1>": "<!--<script>hacked=1"}',
    "text/markdown": "[a](javascript:hacked=1) ![b](x onerror=hacked=1) <javascript:hacked=1>",
    "application/xml": "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
}

OURS = re.compile(
    "a|article|b|button|code|dd|div|dl|dt|fieldset|h2|li|ol|p|pre|section|small|span|table|tbody|td|th|tr"
)
"""The elements that a message is shown with."""


@pytest.mark.parametrize(("kind", "text"), DOCUMENTS.items(), ids=DOCUMENTS.keys())
def test_documents_are_shown_as_text_whatever_they_say_they_are(tab: Tab, kind: str, text: str) -> None:
    publish(text, {"content_type": kind, "content_encoding": "gzip", "headers": {text: text, "href": text}})
    tab.show("messages", VHOST, QUEUE)
    message = open_message(tab, 1)
    for button in message.get_by_label("Form of the body").get_by_role("button").all():
        button.click()
        expect(message.locator("pre")).to_be_visible()
        assert message.evaluate("a => a.isConnected && {}.hacked === undefined")
        found = message.evaluate("a => [...a.querySelectorAll('*')].map(e => e.localName)")
        assert [each for each in found if not OURS.fullmatch(each)] == []
        links = message.evaluate("a => [...a.querySelectorAll('a')].map(e => e.getAttribute('href'))")
        assert all(link.startswith("#/") for link in links)
    with tab.page.expect_download() as saving:
        tab.button("Save…", message).click()
    assert saving.value.path().read_text() == text
    assert "/" not in saving.value.suggested_filename
    assert len(tab.page.context.pages) == 1


def test_histories_that_clients_wrote_are_no_harm(tab: Tab) -> None:
    evil = NAMES["image"]
    history = [{"count": evil, "reason": evil, "queue": evil, "exchange": {"a": 1}, "routing-keys": evil, "time": evil}]
    publish("x", {"headers": {"x-death": [*history, evil, 7], "x-first-death-queue": evil}})
    tab.show("messages", VHOST, QUEUE)
    message = open_message(tab, 1)
    expect(message.locator(".deaths")).to_contain_text(evil)
