"""Twenty tasks of a person who runs a broker, with the clicks and the fields that each takes.

docs/ui.md has the numbers beside those of other pages, and they are these. One begins at the overview, logged in, with
one virtual host chosen, and knows the names of things. A click is all that the mouse does: links, buttons, rows, boxes,
what is chosen of a list. A field is one that is typed in. No keys, and no addresses.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from conftest import VHOST
from playwright.sync_api import Locator, expect
from site_of_broker import ask, at, names
from tab import Tab

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ui.md"
ROW = re.compile(r"\| (\d+) \| [^|]+ \| \*\*(\d+)\*\*(?: \+ (\d+))?", re.MULTILINE)


def written() -> dict[int, tuple[int, int]]:
    """The clicks and fields of each task, as the documentation has them."""
    found = ROW.findall(PAGE.read_text("utf-8"))
    return {int(number): (int(clicks), int(fields or 0)) for number, clicks, fields in found}


class Person:
    """One who counts what he does."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.clicks = 0
        self.fields = 0

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click()

    def press(self, *buttons: str) -> None:
        """Buttons, of the dialog if there is one."""
        for name in buttons:
            opened = self.tab.dialog
            self.click(self.tab.button(name, opened if opened.count() else None))

    def follow(self, *links: str) -> None:
        """Links: of the menu, or of the page."""
        for name in links:
            self.click(self.tab.page.get_by_role("link", name=name, exact=True).first)

    def choose(self, field: Locator, option: str) -> None:
        self.clicks += 1
        field.select_option(option)

    def write(self, field: Locator, text: str) -> None:
        self.fields += 1
        field.fill(text)

    def fill(self, **fields: str) -> None:
        for name, text in fields.items():
            self.write(self.tab.dialog.locator(f"[name='{name}']"), text)

    def open_message(self, number: int) -> Locator:
        self.click(self.tab.page.get_by_role("button", name=f"Message {number}", exact=True))
        return self.tab.page.locator("article.message")


@pytest.fixture
def person(tab: Tab, request: pytest.FixtureRequest) -> Iterator[Person]:
    """One at the overview. What he has done is what is written of the task, whose number ends the name of the test."""
    tab.show()
    tab.page.get_by_label("Virtual host").first.select_option(VHOST)
    one = Person(tab)
    yield one
    number = int(request.node.name.rsplit("_", 1)[1])
    assert (one.clicks, one.fields) == written()[number]


@pytest.fixture
def pile() -> Iterator[None]:
    """A queue with 600 messages of which 550 died into another one."""
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "pile.dead"}
    ask("PUT", at("queues", VHOST, "pile"), {"durable": True, "arguments": dead})
    ask("PUT", at("queues", VHOST, "pile.dead"), {"durable": True})
    channel_of = connection()
    channel = channel_of.channel()
    for number in range(600):
        channel.basic_publish("", "pile", json.dumps({"order": number}).encode())
    channel_of.close()
    body = {"count": 550, "ackmode": "reject_requeue_false", "encoding": "auto"}
    assert len(ask("POST", at("queues", VHOST, "pile", "get"), body)) == 550
    yield
    for name in ("pile", "pile.dead"):
        ask("DELETE", at("queues", VHOST, name))


def connection(name: str = "one more") -> pika.BlockingConnection:
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.virtual_host = VHOST
    parameters.client_properties = {"connection_name": name}
    return pika.BlockingConnection(parameters)


def contents(queue: str) -> list[str]:
    return [each["payload"] for each in ask("GET", at("queues", VHOST, queue, "peek") + "?count=1000")]


@pytest.fixture
def holder() -> Iterator[pika.BlockingConnection]:
    """A client whose consumer may have two messages, has them, and acknowledges none."""
    ask("PUT", at("queues", VHOST, "holds"), {"durable": True})
    client = connection("holder")
    channel = client.channel()
    channel.basic_qos(prefetch_count=2)
    for number in range(9):
        channel.basic_publish("", "holds", f"number {number}".encode())
    channel.basic_consume("holds", lambda *_: None, consumer_tag="forgetful")
    client.process_data_events(0.5)
    yield client
    if client.is_open:
        client.close()
    ask("DELETE", at("queues", VHOST, "holds"))


def test_tasks_are_counted_one_by_one() -> None:
    tests = [name for name in globals() if re.fullmatch(r"test_\w+_\d+", name)]
    assert sorted(int(name.rsplit("_", 1)[1]) for name in tests) == list(range(1, 21)) == sorted(written())


# --- where are my messages, and why?


def test_which_consumer_holds_a_message_1(person: Person, holder: pika.BlockingConnection) -> None:
    person.follow("Queues", "holds", "Messages")
    person.click(person.tab.page.get_by_role("button", name="Unacknowledged"))
    message = person.open_message(2)
    expect(message).to_contain_text("number 1")
    expect(message).to_contain_text("forgetful")


def test_why_a_message_was_not_delivered_2(person: Person) -> None:
    person.follow("Topology")
    person.press("Where would this go?")
    way = person.tab.page.locator(".way")
    person.write(way.get_by_label("Exchange"), "orders")
    person.write(way.get_by_label("Routing key"), "order.eu.paid")
    person.press("Show the way")
    expect(way.locator(".explanation")).to_contain_text("Reaches 3 queues: billing, shipping, events")
    expect(way.locator(".differs")).to_contain_text("format = 'pdf' (is not there)")


def test_500_dead_letters_go_back_to_where_they_died_3(person: Person, pile: None) -> None:
    person.follow("Queues", "pile.dead", "Messages")
    person.press("Move…")
    person.fill(count="500")
    person.press("Dry run", "Move 500 messages")
    expect(person.tab.dialog).to_contain_text("500 messages moved: 500 to pile")
    assert (len(contents("pile")), len(contents("pile.dead"))) == (550, 50)


def test_the_next_message_is_seen_4(person: Person, pile: None) -> None:
    person.follow("Queues", "pile", "Messages")
    expect(person.open_message(1)).to_contain_text('"order": 550')
    assert len(contents("pile")) == 50


def test_the_message_of_an_order_is_found_5(person: Person, pile: None) -> None:
    person.follow("Queues", "pile.dead", "Messages")
    person.press("Search…")
    person.fill(body='"order": 432')
    person.press("Search")
    expect(person.tab.page.locator("table.messages")).to_contain_text('"order": 432')
    expect(person.tab.page.locator("table.messages tbody tr")).to_have_count(1)


def test_why_a_message_died_and_on_which_way_6(person: Person, pile: None) -> None:
    person.follow("Queues", "pile.dead", "Messages")
    message = person.open_message(1)
    expect(message).to_contain_text("Died once: a consumer rejected it")
    expect(message.locator(".deaths li").first).to_contain_text("with pile → queue pile")


def test_messages_are_watched_as_they_pass_an_exchange_7(person: Person) -> None:
    person.follow("Exchanges", "orders", "Watch")
    expect(person.tab.page.locator("table.log tbody")).to_contain_text("order.eu.paid")


def test_queues_with_messages_and_without_consumers_8(person: Person, pile: None) -> None:
    person.follow("Stuck?")
    part = person.tab.page.locator("section.part").filter(has_text="Queues that nobody consumes")
    expect(part).to_contain_text("pile.dead")


def test_who_does_not_acknowledge_is_cut_off_9(person: Person, holder: pika.BlockingConnection) -> None:
    # It is long after a minute. Here a moment is.
    asked, sooner = f"%2Fstuck%2F{VHOST}", f"%2Fstuck%2F{VHOST}%3Funacked_age%3D1"
    person.tab.page.route("**/api/live?*", lambda route: route.continue_(url=route.request.url.replace(asked, sooner)))
    person.follow("Stuck?")
    name = next(each["name"] for each in ask("GET", "/connections") if each["user_provided_name"] == "holder")
    finding = person.tab.page.locator(".findings li").filter(has_text="forgetful")
    person.click(finding.get_by_role("link", name=name, exact=True).first)
    person.tab.is_at("Connection")
    person.press("Close…", "Close the connection")
    person.tab.is_at("Connections")
    person.tab.forget_what_is_gone()
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        holder.process_data_events(5)


# --- what is made, changed and deleted


def test_a_queue_whose_dead_letters_go_to_an_exchange_10(person: Person) -> None:
    person.follow("Queues")
    person.press("Create a queue…")
    person.fill(name="task.made")
    person.press("x-dead-letter-exchange")
    person.write(person.tab.dialog.get_by_label("Value of x-dead-letter-exchange"), "unknown")
    person.press("Create")
    person.tab.is_at("Queue task.made")
    assert ask("GET", at("queues", VHOST, "task.made"))["arguments"] == {"x-dead-letter-exchange": "unknown"}
    person.tab.show()
    ask("DELETE", at("queues", VHOST, "task.made"))


def test_a_queue_is_bound_to_an_exchange_11(person: Person) -> None:
    ask("PUT", at("queues", VHOST, "task.bound"), {"durable": True})
    person.follow("Queues", "task.bound")
    person.press("Bind…")
    person.fill(end="unknown", routing_key="key")
    person.press("Bind")
    expect(person.tab.dialog).to_have_count(0)
    assert "unknown" in {each["source"] for each in ask("GET", at("queues", VHOST, "task.bound", "bindings"))}
    person.tab.show()
    ask("DELETE", at("queues", VHOST, "task.bound"))


def test_a_message_with_a_header_is_published_and_its_queues_told_12(person: Person) -> None:
    person.follow("Exchanges", "archive")
    person.press("Publish…", "+ header")
    person.write(person.tab.dialog.get_by_label("Name of the header"), "format")
    person.write(person.tab.dialog.get_by_label("Value of format"), "pdf")
    person.fill(payload="test")
    person.press("Publish")
    expect(person.tab.dialog.locator(".outcome")).to_contain_text("Reaches 1 queue: invoices")


def test_a_queue_is_purged_13(person: Person, pile: None) -> None:
    person.follow("Queues", "pile")
    person.press("Purge…", "Purge")
    expect(person.tab.dialog).to_have_count(0)
    assert contents("pile") == []


def test_a_user_may_use_a_virtual_host_14(person: Person) -> None:
    person.follow("Users")
    person.press("Add a user…")
    person.fill(name="task", password="secret")
    person.press("Add")
    person.tab.is_at("User task")
    person.press("Grant…")
    person.choose(person.tab.dialog.locator("[name=end]"), VHOST)
    person.press("Grant")
    expect(person.tab.dialog).to_have_count(0)
    assert ask("GET", at("permissions", VHOST, "task"))["write"] == ".*"
    person.tab.show()
    ask("DELETE", at("users", "task"))


def test_messages_of_queues_expire_by_a_policy_15(person: Person) -> None:
    person.follow("Policies")
    person.press("Add a policy…")
    person.fill(name="task", pattern="^nothing$")
    expect(person.tab.dialog).to_contain_text("Matches now:")
    person.press("message-ttl")
    person.write(person.tab.dialog.get_by_label("Value of message-ttl"), "60000")
    person.press("Add")
    expect(person.tab.dialog).to_have_count(0)
    assert "task" in names(at("policies", VHOST))
    ask("DELETE", at("policies", VHOST, "task"))


def test_where_the_limit_of_a_queue_comes_from_16(person: Person) -> None:
    person.follow("Queues", "billing")
    setting = person.tab.page.locator(".settings tr").filter(has_text="x-max-length").first
    expect(setting).to_contain_text("policy")


def test_who_publishes_to_an_exchange_17(person: Person) -> None:
    person.follow("Exchanges", "orders")
    found = ask("GET", "/connections?columns=name,user_provided_name")
    name = next(each["name"] for each in found if each["user_provided_name"] == "web frontend")
    part = person.tab.page.locator(".list").filter(has_text="Who publishes to it")
    expect(part.get_by_role("link", name=f"{name} (1)", exact=True)).to_be_visible()


def test_one_message_is_taken_out_of_the_middle_18(person: Person, pile: None) -> None:
    person.follow("Queues", "pile", "Messages")
    message = person.open_message(20)
    person.click(person.tab.button("Move…", message))
    person.choose(person.tab.dialog.locator("[name=where]"), "exchange")
    person.fill(key="unrouted")
    person.press("Dry run", "Move 1 message")
    expect(person.tab.dialog).to_contain_text("1 message moved: 1 to unrouted")
    assert len(contents("pile")) == 49
    assert '{"order": 569}' not in contents("pile")


def test_who_connects_is_seen_as_it_happens_19(person: Person) -> None:
    person.follow("Live")
    person.press("Connections and channels")
    log = person.tab.page.locator("table.log tbody")

    def is_seen() -> bool:
        connection("a newcomer").close()
        return "connection.created" in log.inner_text()

    person.tab.until(is_seen)


def test_definitions_are_exported_20(person: Person) -> None:
    person.press("Export…")
    with person.tab.page.expect_download():
        person.press("Download")
