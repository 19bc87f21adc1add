"""Names that would do something in a page that takes them for more than text."""

import json
import os
import re
from collections.abc import Callable, Iterator

import pika
import pytest
from conftest import VHOST
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import Tab

NAMES = {
    "image": "<img src=x onerror=window.hacked=1>",
    "script": '"><script>window.hacked=1</script>',
    "attribute": "' onmouseover='window.hacked=1' x=\"",
    "template": "${window.hacked=1}{{constructor.constructor('window.hacked=1')()}}",
    "address": "javascript:window.hacked=1",
    "quotes": "a'b\"c`d\\e",
    "path": "a/b?c#d&e=f%2Fg%",
    "newlines": "two\nlines\tand\ra tab",
    "spaces": " between  spaces ",
    "unicode": "Grüße 🐰 \u202eright to left\u202c \u0000zero".replace("\u0000", "\u200b"),
    "prototype": "__proto__",
    "constructor": "constructor",
    "dots": "...",
    "comma": "a,b.c",
    "regex": "a+b*(c[d",
    "long": "x" * 255,
    "long in UTF-8": "ß" * 127,
}


UNSEEN = re.compile("[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def named(name: str) -> str:
    """A name as the page writes it: what cannot be seen is written as in JSON."""
    return UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], name)


def described(text: str) -> str:
    """A text in which white space is what HTML makes of it."""
    return " ".join(text.split())


def in_amqp(name: str) -> str:
    """A name as queues and exchanges get it: RabbitMQ takes line ends away."""
    return name.replace("\r", "").replace("\n", "")


@pytest.fixture(params=NAMES.values(), ids=NAMES.keys())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hostile(name: str) -> Iterator[str]:
    """A virtual host of this name, in which all is called like that."""
    ask("PUT", at("vhosts", name), {"description": name, "tags": [name.replace(",", "")]})
    ask("PUT", at("permissions", name, "guest"), dict.fromkeys(("configure", "write", "read"), ".*"))
    arguments = {name: name, "x-dead-letter-exchange": name}
    ask("PUT", at("exchanges", name, name), {"type": "topic", "durable": True, "arguments": {name: name}})
    ask("PUT", at("queues", name, name), {"durable": True, "arguments": arguments})
    ask("POST", at("bindings", name, "e", name, "q", name), {"routing_key": name, "arguments": arguments})
    ask("PUT", at("policies", name, name), {"pattern": ".*", "definition": {"message-ttl": 60_000}})
    ask("PUT", at("users", name), {"password": "x", "tags": [name]})
    ask("PUT", at("permissions", name, name), {"configure": "", "write": "", "read": ""})
    yield name
    ask("DELETE", at("vhosts", name))
    ask("DELETE", at("users", name))


def test_names_are_text(hostile: str, tab: Tab) -> None:
    for page in ("queues", "exchanges", "policies", "vhosts", "users"):
        text = described(named(in_amqp(hostile) if page in {"queues", "exchanges"} else hostile))
        tab.show(page)
        # The list shows nothing else: its link leads to the page of the object.
        tab.page.get_by_role("searchbox").first.fill(in_amqp(hostile)[:3])
        link = tab.page.locator("main tbody th").get_by_role("link", name=text, exact=True).first
        expect(link).to_be_visible()
        link.click()
        expect(tab.page.locator("main h1")).to_contain_text(text)
        tab.page.wait_for_timeout(150)
    inner, text = in_amqp(hostile), described(named(in_amqp(hostile)))
    for page in ("queues", "exchanges"):
        tab.show(page, hostile, inner, title=text)
        expect(tab.page.locator("main .settings")).to_contain_text(described(hostile))
        expect(tab.page.get_by_role("link", name=text).first).to_be_visible()
    tab.show()


def test_what_is_called_like_that_is_changed_and_deleted(hostile: str, tab: Tab) -> None:
    name = in_amqp(hostile)
    tab.show("queues", hostile, name, title=described(named(name)))
    tab.button("Purge…").click()
    tab.send("Purge")
    tab.page.locator("main button", has_text="Unbind").first.click()
    tab.send("Unbind")
    assert [each["source"] for each in ask("GET", at("queues", hostile, name, "bindings"))] == [""]
    tab.button("Bind…").click()
    tab.fill(end=name, routing_key=name)
    tab.send("Bind")
    assert len(ask("GET", at("queues", hostile, name, "bindings"))) == 2
    tab.button("Delete…").click()
    tab.send("Delete")
    tab.is_at("Queues")
    tab.forget_what_is_gone()
    assert ask("GET", at("queues", hostile)) == []


def test_clients_say_of_themselves_what_they_like(open_tab: Callable[..., Tab]) -> None:
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.virtual_host = VHOST
    said = NAMES["image"]
    parameters.client_properties = {"connection_name": said, said: said, "product": said}
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.basic_consume("unrouted", lambda *_: None, consumer_tag=said, arguments={said: said})
    tab = open_tab()
    for page in ("connections", "consumers"):
        tab.show(page)
        expect(tab.page.locator("main tbody")).to_contain_text(said)
    tab.show("queues", VHOST, "unrouted", title="unrouted")
    expect(tab.page.locator("main")).to_contain_text(said)
    name = next(each["name"] for each in ask("GET", "/connections") if each["user_provided_name"] == said)
    tab.show("connections", name, title=name)
    expect(tab.page.locator("main")).to_contain_text(said)
    tab.show()
    connection.close()
