"""Each page of the user interface comes up with what it is to show, and without an error in the console."""

from urllib.request import urlopen

import pika
from browser import SITE, TIMEOUT_MS, cell, complaints, log_in, opened, page, show, unfold
from checks import URL, check, main, name_of
from management import PASSWORD, USER, ask, path, until

VHOST = name_of("vhost")


def make():
    """Something for the pages to show, with a client at work."""
    ask("PUT", path("vhosts", VHOST), {"description": "for pages", "tags": "one,two"})
    ask("PUT", path("permissions", VHOST, USER), {"configure": ".*", "write": ".*", "read": ".*"})
    ask("PUT", path("topic-permissions", VHOST, USER), {"exchange": "amq.topic", "write": ".*", "read": ".*"})
    ask("PUT", path("users", name_of("user")), {"password": "secret", "tags": "monitoring"})
    ask("PUT", path("vhost-limits", VHOST, "max-queues"), {"value": 100})
    ask("PUT", path("user-limits", name_of("user"), "max-channels"), {"value": 100})
    for what, definition in (("policies", {"max-length": 50}), ("operator-policies", {"max-length": 40})):
        ask("PUT", path(what, VHOST, "short"), {"pattern": "^classic$", "definition": definition, "apply-to": "queues"})
    for kind in ("classic", "quorum"):
        ask("PUT", path("queues", VHOST, kind), {"durable": True, "arguments": {"x-queue-type": kind}})
    ask("PUT", path("exchanges", VHOST, "in"), {"type": "topic", "arguments": {"alternate-exchange": "amq.fanout"}})
    ask("POST", path("bindings", VHOST, "e", "in", "q", "classic"), {"routing_key": "a.#", "arguments": {"n": 1}})
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = VHOST
    parameters.client_properties = {"connection_name": name_of("client"), "version": "1"}
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=3)
    for kind in ("classic", "quorum"):
        channel.basic_consume(kind, lambda *_: None, consumer_tag=f"of {kind}")
        for _ in range(5):
            channel.basic_publish("", kind, b"text")
    channel.basic_publish("in", "a.b", b"text")
    connection.process_data_events(0)
    return connection


CLIENT = make()


def client_name():
    return next(each["name"] for each in ask("GET", path("connections"))[1] if each.get("vhost") == VHOST)


@check("log in")
def login():
    """A wrong password is said to be wrong, and the right one leads in."""
    log_in(password="wrong")
    page.wait_for_selector("#login-status:has-text('Login failed')")
    assert any("401" in each for each in complaints())
    log_in()
    opened("Overview")
    assert {"Overview", "Connections", "Channels", "Exchanges", "Queues", "Admin"} <= {
        *page.inner_text("#tabs").split()
    }
    assert "Erlang" in page.inner_text("#versions")
    assert f"User {USER}" in page.inner_text("#logout").strip() + page.inner_text("#header")


@check("overview, node and cluster name")
def overview():
    show("Overview", "")
    unfold()
    opened("Overview")
    page.wait_for_selector("#main .chart canvas")
    told = page.inner_text("#main")
    for words in (
        "Ready",
        "Unacked",
        "Publish",
        "Connections:",
        "File descriptors",
        "Disk space",
        "Export definitions",
    ):
        assert words in told, words
    name = ask("GET", path("overview"))[1]["node"]
    show(f"Node {name}", "nodes", name)
    unfold()
    opened(f"Node {name}")
    assert "Erlang processes" in page.inner_text("#main")
    show("Cluster name", "cluster-name")


@check("connections, channels and consumers")
def clients():
    until(lambda: ask("GET", path("vhosts", VHOST, "channels"))[1])
    show("Connections", "connections")
    cell(name_of("client"))
    title = f"Connection {client_name()}"
    show(title, "connections", client_name())
    unfold()
    opened(title)
    assert "connection_name" in page.inner_text("#main")
    show("Channels", "channels")
    cell(f"{client_name().partition(' ->')[0]} (1)")
    title = f"Channel: {client_name()}"
    show(title, "channels", f"{client_name()} (1)")
    unfold()
    opened(title)
    until(lambda: "of quorum" in page.inner_text("#main"))


@check("exchanges")
def exchanges():
    show("Exchanges", "exchanges")
    cell("amq.headers")
    for name, title in (("amq.default", "(AMQP default)"), ("amq.rabbitmq.trace", "amq.rabbitmq.trace"), ("in", "in")):
        show(f"Exchange: {title}", "exchanges", VHOST, name)
        unfold()
        opened(f"Exchange: {title}")
    assert "alternate-exchange" in page.inner_text("#main")
    assert "a.#" in page.inner_text("#main")


def queue(name):
    return ask("GET", path("queues", VHOST, name))[1]


@check("queues")
def queues():
    until(lambda: all({"consumer_details", "messages"} <= each.keys() for each in map(queue, ("classic", "quorum"))))
    show("Queues", "queues")
    cell(VHOST)
    for kind in ("classic", "quorum"):
        show(f"Queue {kind}", "queues", VHOST, kind)
        unfold()
        opened(f"Queue {kind}")
        page.wait_for_selector("#main .chart canvas")
        cell(f"of {kind}")
        told = page.inner_text("#main")
        assert f"x-queue-type:\t{kind}" in told.replace("\n", ""), told
        assert ("Open files" in told) == (kind == "quorum"), told
    show("Queue classic", "queues", VHOST, "classic")
    assert "short" in page.inner_text("#main")


@check("administration")
def administration():
    user = name_of("user")
    for title, address, shown in (
        ("Users", "users", user),
        ("Virtual Hosts", "vhosts", VHOST),
        ("Feature Flags", "feature-flags", "quorum_queue"),
        ("Policies", "policies", "short"),
        ("Limits", "limits", "max-channels"),
    ):
        show(title, address)
        unfold()
        opened(title)
        cell(shown)
    show(f"User: {user}", "users", user)
    unfold()
    opened(f"User: {user}")
    show(f"Virtual Host: {VHOST}", "vhosts", VHOST)
    unfold()
    opened(f"Virtual Host: {VHOST}")
    assert "amq.topic" in page.inner_text("#main")
    show("Policy: short", "policies", VHOST, "short")
    assert "max-length" in page.inner_text("#main")


@check("what is not there")
def missing():
    page.evaluate("location.hash = '#/queues/nowhere/nothing'")
    page.wait_for_selector("#main h1:has-text('Not found')")
    assert any("404" in each for each in complaints())


@check("pages are kept up to date")
def updates():
    """Every five seconds the page asks again, also for pages of a list and with a filter."""
    show("Queues", "queues")
    with page.expect_response(lambda answer: "/api/queues" in answer.url, timeout=TIMEOUT_MS) as found:
        page.wait_for_timeout(0)
    assert found.value.status == 200
    assert complaints() == []


@check("documentation of the API")
def documentation():
    for address in ("api/index.html", "cli/index.html", "favicon.ico", "css/main.css", "img/rabbitmqlogo.svg"):
        with urlopen(SITE + address, timeout=TIMEOUT_MS / 1000) as answer:
            assert answer.status == 200, address


@check("log out")
def logout():
    page.click("#logout input[type=submit]")
    page.wait_for_selector("#login input[name=username]")
    CLIENT.close()
    ask("DELETE", path("users", name_of("user")))
    assert ask("DELETE", path("vhosts", VHOST))[0] == 204
    assert PASSWORD not in page.content()


main()
