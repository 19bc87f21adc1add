"""What is made, changed and deleted on the page, and what the API says where it refuses."""

import json
import os
from pathlib import Path

import pika
import pytest
from conftest import VHOST
from playwright.sync_api import expect
from site_of_broker import ask, at, names
from tab import Tab


def choose(tab: Tab, vhost: str = VHOST) -> None:
    """Restricts the lists to a virtual host."""
    tab.page.get_by_label("Virtual host").first.select_option(vhost)


def add_argument(tab: Tab, name: str, value: str) -> None:
    tab.button(name, tab.dialog).click()
    field = tab.dialog.get_by_label(f"Value of {name}")
    if field.evaluate("field => field.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)


# --- queues, exchanges, bindings


def test_a_queue_is_made_bound_purged_and_deleted(tab: Tab) -> None:
    tab.show("queues")
    choose(tab)
    tab.button("Create a queue…").click()
    tab.fill(name="made")
    add_argument(tab, "x-max-priority", "300")
    assert "invalid arg 'x-max-priority'" in tab.refuse("Create")
    assert tab.refused() == [(400, "PUT")]
    tab.dialog.get_by_label("Value of x-max-priority").fill("5")
    expect(tab.dialog).to_contain_text("Messages have priorities from 0 to 5.")
    add_argument(tab, "x-overflow", "reject-publish")
    tab.picture("queue-create-light")
    tab.send("Create")
    tab.is_at("Queue made")
    made = ask("GET", at("queues", VHOST, "made"))
    assert made["arguments"] == {"x-max-priority": 5, "x-overflow": "reject-publish"}
    assert (made["durable"], made["auto_delete"], made["type"]) == (True, False, "classic")

    tab.button("Bind…").click()
    tab.fill(end="nope", routing_key="order.#")
    assert "no exchange 'nope'" in tab.refuse("Bind")
    assert tab.refused() == [(404, "POST")]
    tab.fill(end="archive")
    add_argument(tab, "x-match", "any")
    tab.send("Bind")
    expect(tab.row("archive")).to_contain_text("x-match=any")
    tab.button("Unbind made from archive").click()
    expect(tab.dialog).to_contain_text("order.#")
    tab.send("Unbind")
    expect(tab.row("archive")).to_have_count(0)

    message = {"properties": {}, "routing_key": "made", "payload": "x", "payload_encoding": "string"}
    for _ in range(3):
        ask("POST", at("exchanges", VHOST, "amq.default", "publish"), message)
    ready = tab.page.locator(".facts > div").filter(has_text="Ready")
    expect(ready).to_contain_text("3")
    tab.button("Purge…").click()
    expect(tab.dialog).to_contain_text("3 ready messages are lost.")
    assert tab.barriers() == []
    tab.picture("queue-purge-light")
    tab.send("Purge")
    expect(ready.locator("dd")).to_have_text("0 ")

    ask("POST", at("exchanges", VHOST, "amq.default", "publish"), message)
    tab.button("Delete…").click()
    tab.dialog.get_by_label("Only if it is empty").check()
    assert "not empty" in tab.refuse("Delete")
    assert tab.refused() == [(400, "DELETE")]
    expect(tab.dialog).to_contain_text("1 message in it is lost.")
    tab.dialog.get_by_label("Only if it is empty").uncheck()
    tab.send("Delete")
    tab.is_at("Queues")
    tab.forget_what_is_gone()
    expect(tab.page.locator(".notices")).to_contain_text("The queue made is deleted.")
    assert "made" not in names(at("queues", VHOST))


def test_a_quorum_queue(tab: Tab) -> None:
    tab.show("queues")
    choose(tab)
    tab.page.keyboard.press("c")
    tab.fill(name="voted", type="quorum")
    add_argument(tab, "x-delivery-limit", "3")
    tab.send("Create")
    tab.is_at("Queue voted")
    made = ask("GET", at("queues", VHOST, "voted"))
    assert (made["type"], made["durable"], made["arguments"]["x-delivery-limit"]) == ("quorum", True, 3)
    ask("DELETE", at("queues", VHOST, "voted"))
    tab.is_at("This queue is gone: voted")
    tab.show()
    tab.forget_what_is_gone()


def test_a_stream(tab: Tab) -> None:
    tab.show("streams", title="Streams")
    choose(tab)
    tab.row("events").wait_for()
    tab.button("Create a stream…").click()
    tab.fill(name="log")
    add_argument(tab, "x-max-age", "7 days")
    assert "x-max-age" in tab.refuse("Create")
    assert tab.refused() == [(400, "PUT")]
    tab.dialog.get_by_label("Value of x-max-age").fill("7D")
    tab.send("Create")
    tab.is_at("Queue log")
    made = ask("GET", at("queues", VHOST, "log"))
    assert (made["type"], made["durable"], made["arguments"]["x-max-age"]) == ("stream", True, "7D")
    expect(tab.button("Purge…")).to_have_count(0)
    tab.show("streams", title="Streams")
    expect(tab.row("log")).to_contain_text("max-age 7D")
    tab.row("log").get_by_role("link").first.click()
    tab.is_at("Queue log")
    tab.button("Delete…").click()
    for condition in ("Only if it is empty", "Only if it has no consumers"):
        tab.dialog.get_by_label(condition).uncheck()
    tab.send("Delete")
    tab.is_at("Queues")
    tab.forget_what_is_gone()
    assert "log" not in names(at("queues", VHOST))


def test_arguments_have_types(tab: Tab) -> None:
    tab.show("queues")
    choose(tab)
    tab.button("Create a queue…").click()
    tab.fill(name="typed")
    add_argument(tab, "x-max-length", "many")
    assert tab.refuse("Create") == "x-max-length must be a number."
    tab.dialog.get_by_label("Value of x-max-length").fill("7")
    tab.button("+ argument", tab.dialog).click()
    tab.dialog.get_by_label("Name of the argument").last.fill("mine")
    tab.dialog.get_by_label("Type of mine").select_option("JSON")
    tab.dialog.get_by_label("Value of mine").fill('{"a": [1, true]}')
    tab.send("Create")
    tab.is_at("Queue typed")
    assert ask("GET", at("queues", VHOST, "typed"))["arguments"] == {"x-max-length": 7, "mine": {"a": [1, True]}}
    ask("DELETE", at("queues", VHOST, "typed"))
    tab.is_at("This queue is gone: typed")
    tab.show()
    tab.forget_what_is_gone()


def test_an_exchange_is_made_bound_and_deleted(tab: Tab) -> None:
    tab.show("exchanges")
    choose(tab)
    tab.button("Create an exchange…").click()
    tab.fill(name="amq.mine", type="topic")
    assert "ACCESS_REFUSED" in tab.refuse("Create") or "access" in tab.refuse("Create").lower()
    tab.refused()
    tab.fill(name="letters")
    add_argument(tab, "alternate-exchange", "unknown")
    tab.send("Create")
    tab.is_at("Exchange letters")
    made = ask("GET", at("exchanges", VHOST, "letters"))
    assert (made["type"], made["arguments"]) == ("topic", {"alternate-exchange": "unknown"})
    tab.button("Bind…").first.click()
    tab.fill(kind="exchange", end="archive", routing_key="a.*")
    tab.send("Bind")
    expect(tab.row("archive")).to_contain_text("a.*")
    tab.button("Delete…").click()
    tab.send("Delete")
    tab.is_at("Exchanges")
    tab.forget_what_is_gone()
    assert "letters" not in names(at("exchanges", VHOST))


# --- who may what


def test_a_user_is_added_and_permitted(tab: Tab) -> None:
    tab.show("users")
    tab.button("Add a user…").click()
    tab.fill(name="newcomer", password="secret")
    tab.dialog.get_by_label("monitoring").check()
    tab.send("Add")
    tab.is_at("User newcomer")
    assert ask("GET", at("users", "newcomer"))["tags"] == ["monitoring"]

    tab.button("Grant…").click()
    tab.fill(end=VHOST, configure="(", write="^w", read="")
    assert tab.refuse("Grant").startswith("invalid_regexp: (: missing )")
    assert tab.refused() == [(400, "PUT")]
    tab.fill(configure="")
    tab.send("Grant")
    expect(tab.row(VHOST).first).to_contain_text("nothing")
    given = ask("GET", at("permissions", VHOST, "newcomer"))
    assert (given["configure"], given["write"], given["read"]) == ("", "^w", "")
    tab.button("Restrict…").click()
    tab.fill(end=VHOST, exchange="orders", write="^eu", read="^eu")
    tab.send("Set")
    assert ask("GET", at("topic-permissions", VHOST, "newcomer"))[0]["write"] == "^eu"
    tab.button("Clear the topic permission of newcomer for orders").click()
    tab.send("Clear")
    tab.button(f"Clear the permission of newcomer in {VHOST}").click()
    tab.send("Clear")
    assert ask("GET", at("users", "newcomer", "permissions")) == []

    tab.button("Edit…").click()
    before = ask("GET", at("users", "newcomer"))["password_hash"]
    tab.dialog.get_by_label("policymaker").check()
    tab.fill(others="mine, yours")
    tab.send("Save")
    changed = ask("GET", at("users", "newcomer"))
    assert sorted(changed["tags"]) == ["mine", "monitoring", "policymaker", "yours"]
    assert changed["password_hash"] == before
    tab.button("Delete…").click()
    tab.send("Delete")
    tab.is_at("Users")
    tab.forget_what_is_gone()
    assert "newcomer" not in names("/users")


def test_a_virtual_host_is_added_and_deleted_by_its_name(tab: Tab) -> None:
    tab.show("vhosts")
    tab.button("Add a virtual host…").click()
    tab.fill(name="annex", description="For a while", tags="a, b")
    tab.send("Add")
    tab.is_at("Virtual host annex")
    assert ask("GET", at("vhosts", "annex"))["metadata"]["tags"] == ["a", "b"]
    tab.button("Trace…").click()
    tab.send("Trace")
    expect(tab.button("Stop tracing…")).to_be_visible()
    made = ask("GET", at("vhosts", "annex"))
    assert (made["tracing"], made["description"], made["tags"]) == (True, "For a while", ["a", "b"])
    tab.button("Delete…").click()
    tab.fill(again="anex")
    assert tab.refuse("Delete") == "Type annex to delete it."
    tab.fill(again="annex")
    tab.send("Delete")
    tab.is_at("Virtual hosts")
    tab.forget_what_is_gone()
    assert "annex" not in names("/vhosts")


def test_a_policy_says_what_it_matches_and_where_it_applies(tab: Tab) -> None:
    tab.show("policies")
    choose(tab)
    tab.button("Add a policy…").click()
    tab.fill(name="short", pattern="^unrouted", priority="7")
    expect(tab.dialog).to_contain_text("Matches now: 1 queue")
    add_argument(tab, "max-length", "-3")
    assert "max" in tab.refuse("Add")
    assert tab.refused() == [(400, "PUT")]
    tab.dialog.get_by_label("Value of max-length").fill("100000")
    tab.send("Add")
    tab.row("short").get_by_role("link").first.click()
    tab.is_at("Policy short")
    expect(tab.page.locator("main")).to_contain_text("It holds 100,000 ready messages at most.")
    tab.show("queues", VHOST, "unrouted", title="unrouted")
    setting = tab.page.locator(".settings tr").filter(has_text="x-max-length").first
    expect(setting).to_contain_text("policy")
    tab.show("policies", VHOST, "short", title="Policy short")
    tab.button("Delete the policy short").click()
    tab.send("Delete")
    tab.is_at("Policies")
    tab.forget_what_is_gone()
    assert "short" not in names(at("policies", VHOST))


def test_limits_are_set_and_cleared(tab: Tab) -> None:
    tab.show("limits")
    tab.button("Limit a user…").click()
    tab.fill(name="watcher", **{"max-connections": "3"})
    tab.send("Set")
    expect(tab.row("watcher")).to_contain_text("3")
    tab.button("Edit the limits of watcher").click()
    tab.fill(**{"max-connections": "", "max-channels": "9"})
    tab.send("Set")
    tab.until(lambda: ask("GET", at("user-limits", "watcher"))[0]["value"] == {"max-channels": 9})
    tab.button("Clear the limits of watcher").click()
    tab.send("Clear")
    assert ask("GET", at("user-limits", "watcher")) == []


# --- clients


def test_a_connection_is_closed_with_a_reason(tab: Tab) -> None:
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.client_properties = {"connection_name": "closed by the page"}
    connection = pika.BlockingConnection(parameters)
    found = ask("GET", "/connections")
    name = next(each["name"] for each in found if each["user_provided_name"] == "closed by the page")
    tab.show("connections", name, title=name)
    tab.button("Close…").click()
    tab.fill(reason="Wartung: Grüße")
    tab.send("Close the connection")
    tab.is_at("Connections")
    tab.forget_what_is_gone()
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="Wartung: Grüße"):
        connection.process_data_events(5)


# --- definitions


def test_definitions_are_exported_and_imported(tab: Tab, tmp_path: Path) -> None:
    tab.show()
    tab.button("Export…").click()
    tab.fill(vhost=f"v{VHOST}")
    with tab.page.expect_download() as download:
        tab.send("Download")
    file = tmp_path / "definitions.json"
    download.value.save_as(file)
    definitions = json.loads(file.read_text())
    assert {"billing", "shipping"} <= {each["name"] for each in definitions["queues"]}

    definitions["queues"].append({"name": "imported", "durable": True, "auto_delete": False, "arguments": {}})
    file.write_text(json.dumps(definitions))
    tab.button("Import…").click()
    assert tab.refuse("Import") == "Choose a file first."
    tab.dialog.get_by_label("File").set_input_files(file)
    tab.fill(vhost=f"v{VHOST}")
    expect(tab.dialog).to_contain_text(f"{len(definitions['queues'])} queues")
    tab.send("Import")
    assert "imported" in names(at("queues", VHOST))
    ask("DELETE", at("queues", VHOST, "imported"))

    tab.button("Import…").click()
    file.write_text("{")
    tab.dialog.get_by_label("File").set_input_files(file)
    expect(tab.dialog).to_contain_text("This is not JSON")
    tab.dialog.get_by_role("button", name="Cancel").click()


def test_the_cluster_is_renamed(tab: Tab) -> None:
    before = ask("GET", "/cluster-name")["name"]
    tab.show()
    tab.button("Rename").click()
    tab.fill(name="rabbit@elsewhere")
    tab.send("Rename")
    expect(tab.page.locator(".brand")).to_contain_text("rabbit@elsewhere")
    ask("PUT", "/cluster-name", {"name": before})
