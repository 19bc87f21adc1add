"""What an operator does with the user interface: adds objects of every kind, publishes, gets, looks, clears away."""

import json
import tempfile
from pathlib import Path

import pika
from browser import TIMEOUT_MS, cell, complaints, log_in, opened, page, send, show, unfold
from checks import URL, check, main, name_of
from management import USER, ask, path, until

VHOST = name_of("vhost")
PERSON = name_of("person")
ONLY = {"classic": "x-max-priority", "quorum": "x-delivery-limit"}
"""An argument that the form offers for queues of this type alone."""
FOLDER = Path(tempfile.mkdtemp(prefix="interop-"))


def is_clean():
    wrong = complaints()
    assert not wrong, wrong


def told(*segments):
    """The value at an address of the API, if there is one."""
    status, value = ask("GET", path(*segments))
    return value if status == 200 else None


@check("a virtual host")
def vhost():
    log_in()
    opened("Overview")
    show("Virtual Hosts", "vhosts")
    send("vhosts", name=VHOST, description="of work", tags="a,b")
    cell(VHOST)
    assert told("vhosts", VHOST)["description"] == "of work"
    assert told("permissions", VHOST, USER)["configure"] == ".*"
    page.reload()
    opened("Virtual Hosts")
    page.select_option("#show-vhost", VHOST)
    is_clean()


@check("a user")
def user():
    show("Users", "users")
    send("users-add", username=PERSON, password="secret", password_confirm="secret", tags="monitoring")
    cell(PERSON)
    assert told("users", PERSON)["tags"] == ["monitoring"]
    show(f"User: {PERSON}", "users", PERSON)
    send("permissions", vhost=VHOST, configure="", write=".*", read="^jobs$")
    cell("^jobs$")
    assert told("permissions", VHOST, PERSON)["read"] == "^jobs$"
    send("topic-permissions", vhost=VHOST, exchange="amq.topic", write="^a", read="^b")
    cell("^b")
    assert told("topic-permissions", VHOST, PERSON)[0]["write"] == "^a"
    is_clean()


@check("exchanges, queues and bindings")
def topology():
    show("Exchanges", "exchanges")
    send("exchanges", vhost=VHOST, name="in", type="topic", durable="true")
    cell("in")
    show("Queues", "queues")
    arguments = {"arguments_1_mfkey": "x-max-length", "arguments_1_mfvalue": "9", "arguments_1_mftype": "number"}
    add_queue("classic", name="jobs", **arguments)
    cell("jobs")
    add_queue("quorum", name="safe")
    cell("safe")
    assert told("queues", VHOST, "jobs")["arguments"] == {"x-max-length": 9, "x-queue-type": "classic"}
    assert told("queues", VHOST, "safe")["type"] == "quorum"
    show("Exchange: in", "exchanges", VHOST, "in")
    send("bindings", "post", destination_type="q", destination="jobs", routing_key="job.#")
    cell("job.#")
    assert told("bindings", VHOST, "e", "in", "q", "jobs")[0]["routing_key"] == "job.#"
    is_clean()


@check("messages")
def messages():
    show("Exchange: in", "exchanges", VHOST, "in")
    headers = {"headers_1_mfkey": "n", "headers_1_mfvalue": "1", "headers_1_mftype": "number"}
    send("exchanges/publish", "post", routing_key="job.one", payload="some w\u00f6rds", **headers)
    closes("Message published.")
    send("exchanges/publish", "post", routing_key="nowhere", payload="lost")
    closes("Message published, but not routed")
    show("Queue jobs", "queues", VHOST, "jobs")
    send("queues/get", "post", ackmode="ack_requeue_true")
    page.wait_for_selector("#msg-wrapper:has-text('some w\u00f6rds')")
    shown = page.inner_text("#msg-wrapper")
    for words in ("Message 1", "The server reported 0 messages remaining.", "in", "job.one", "n:", "11 bytes"):
        assert words in shown, shown
    send("queues/get", "post", ackmode="ack_requeue_false")
    page.wait_for_selector("#msg-wrapper:has-text('The server reported 0 messages remaining.')")
    send("queues/get", "post", ackmode="ack_requeue_false")
    closes("Queue is empty")
    send("exchanges/publish", "post", payload="more")
    closes("Message published.")
    unfold()
    page.click("form.confirm-purge-queue input[type=submit]")
    closes("Queue purged")
    send("queues/get", "post")
    closes("Queue is empty")
    is_clean()


def closes(text):
    """A window with this text comes up, and goes."""
    popup = page.locator(f"[class^=form-popup]:has-text({json.dumps(text)})").first
    popup.wait_for()
    popup.locator("span").click()
    popup.wait_for(state="detached")


def add_queue(kind, **fields):
    """Has other fields for each type, and comes anew when another one is chosen."""
    chosen = page.locator("form[action='#/queues'] select[name=queuetype]")
    unfold()
    if chosen.input_value() != kind:
        chosen.select_option(kind)
        page.wait_for_selector(f"#main .argument-link[key={ONLY[kind]}]")
    send("queues", vhost=VHOST, **fields)


@check("policies and limits")
def policies():
    show("Policies", "policies")
    definition = {"definition_1_mfkey": "message-ttl", "definition_1_mfvalue": "60000", "definition_1_mftype": "number"}
    send("policies", vhost=VHOST, name="minute", pattern="^jobs$", priority="3", **{"apply-to": "queues"}, **definition)
    cell("minute")
    assert told("policies", VHOST, "minute")["definition"] == {"message-ttl": 60000}
    assert told("policies", VHOST, "minute")["priority"] == 3
    show("Limits", "limits")
    send("limits", vhost=VHOST, name="max-queues", value="7")
    cell("max-queues")
    assert told("vhost-limits", VHOST)[0]["value"] == {"max-queues": 7}
    send("user-limits", user=PERSON, name="max-channels", value="5")
    cell("max-channels")
    is_clean()


@check("what is refused is told")
def refusals():
    show("Queues", "queues")
    add_queue("classic", name="jobs", durable="false")
    closes("inequivalent arg 'durable' for queue 'jobs'")
    assert any("400" in each for each in complaints())


@check("a connection is closed")
def connection():
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = VHOST
    with pika.BlockingConnection(parameters) as client:
        own = until(lambda: [each["name"] for each in told("connections") if each.get("vhost") == VHOST])[0]
        show(f"Connection {own}", "connections", own)
        send("connections", "delete", reason="for maintenance")
        try:
            while True:
                client.process_data_events(TIMEOUT_MS / 1000)
        except pika.exceptions.ConnectionClosedByBroker as closed:
            assert closed.reply_text == "CONNECTION_FORCED - for maintenance"
    opened("Connections")
    is_clean()


@check("definitions")
def definitions():
    show("Overview", "")
    unfold()
    page.select_option("select[name=vhost-download]", VHOST)
    with page.expect_download() as found:
        page.click("#download-definitions")
    saved = FOLDER / "definitions.json"
    found.value.save_as(saved)
    exported = json.loads(saved.read_text())
    assert sorted(each["name"] for each in exported["queues"]) == ["jobs", "safe"]
    assert [each["name"] for each in exported["policies"]] == ["minute"]
    exported["queues"].append({"name": "imported", "durable": True, "auto_delete": False, "arguments": {}})
    saved.write_text(json.dumps(exported))
    page.select_option("select[name=vhost-upload]", VHOST)
    page.set_input_files("input[type=file][name=file]", saved)
    page.click("input[value='Upload broker definitions']")
    closes("Your definitions were imported successfully.")
    assert told("queues", VHOST, "imported")
    is_clean()


@check("all is deleted")
def deleted():
    show("Queue imported", "queues", VHOST, "imported")
    unfold()
    page.click("form.confirm-queue input[type=submit]")
    opened("Queues")
    until(lambda: told("queues", VHOST, "imported") is None)
    show("Exchange: in", "exchanges", VHOST, "in")
    send("bindings", "delete")
    until(lambda: told("bindings", VHOST, "e", "in", "q", "jobs") == [])
    send("exchanges", "delete")
    opened("Exchanges")
    show("Policy: minute", "policies", VHOST, "minute")
    send("policies", "delete")
    opened("Policies")
    show(f"User: {PERSON}", "users", PERSON)
    send("users", "delete")
    opened("Users")
    show(f"Virtual Host: {VHOST}", "vhosts", VHOST)
    send("vhosts", "delete")
    opened("Virtual Hosts")
    assert told("vhosts", VHOST) is None
    assert told("users", PERSON) is None
    is_clean()


@check("what a user may not see is not shown")
def lesser_user():
    ask("PUT", path("users", PERSON), {"password": "secret", "tags": "management"})
    page.click("#logout input[type=submit]")
    page.wait_for_selector("#login input[name=username]")
    log_in(PERSON, "secret")
    opened("Overview")
    assert "Node" not in [each.strip() for each in page.locator("#main h2").all_inner_texts()]
    assert page.evaluate("fetch('api/nodes').then(answer => answer.status)") == 401
    ask("DELETE", path("users", PERSON))


main()
