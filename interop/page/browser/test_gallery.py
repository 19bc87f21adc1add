"""The pictures of docs/ui.md: pages of a broker that has been at work for as long as its charts reach back.

python -m interop.page --screenshots docs/ui -- -k gallery
"""

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import VHOST
from PIL import Image
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import SCREENSHOTS, Tab

CHART_S = 600
"""The seconds that charts show."""
BYTES_MAX = 120_000

ORDERS = (
    ("Zoë Quist", "EUR", [("A-1041", 2, 19.9), ("B-77", 1, 249.0)]),
    ("Ned Oba", "USD", [("C-200", 12, 3.25)]),
    ("Mia Torv", "EUR", [("A-1041", 1, 19.9)]),
    ("Ravi Sen", "GBP", [("D-9", 4, 88.0), ("A-7", 1, 12.5)]),
)


@pytest.fixture(scope="module", autouse=True)
def shop() -> Iterator[None]:
    """A broker with a history; it takes as long as that if pictures are made."""
    before = ask("GET", "/cluster-name")["name"]
    ask("PUT", "/cluster-name", {"name": "rabbit@shop"})
    for name, dead in (("refunds", "refunds.failed"), ("refunds.failed", None)):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead} if dead else {}
        ask("PUT", at("queues", VHOST, name), {"durable": True, "arguments": arguments})
    for number in range(6):
        publish_refund(number)
    for _ in range(2):
        rejected = {"count": 6, "ackmode": "reject_requeue_false", "encoding": "auto"}
        ask("POST", at("queues", VHOST, "refunds", "get"), rejected)
        ask("POST", at("queues", VHOST, "refunds.failed", "move"), {"count": 3})
    ask("POST", at("queues", VHOST, "refunds", "get"), rejected)
    if SCREENSHOTS:
        uptime_s = ask("GET", "/nodes")[0]["uptime"] / 1000
        ask("GET", "/stuck")  # from now on it is known since when deliveries are unacknowledged
        time.sleep(max(0, CHART_S - uptime_s) / 2)
        ask("GET", "/stuck")
        time.sleep(max(0, CHART_S - uptime_s) / 2)
    yield
    ask("PUT", "/cluster-name", {"name": before})
    for name in ("refunds", "refunds.failed"):
        ask("DELETE", at("queues", VHOST, name))


def publish_refund(number: int) -> None:
    customer, currency, lines = ORDERS[number % len(ORDERS)]
    order = {
        "order": 48_210 + number,
        "customer": {"name": customer, "vip": number % 4 == 0},
        "currency": currency,
        "lines": [{"sku": sku, "count": count, "price": price} for sku, count, price in lines],
    }
    properties = {
        "content_type": "application/json",
        "delivery_mode": 2,
        "message_id": f"refund-{number}",
        "app_id": "web",
        "headers": {"tenant": "acme", "attempt": 1 + number % 3},
    }
    text = json.dumps(order, ensure_ascii=False)
    message = {"properties": properties, "routing_key": "refunds", "payload": text, "payload_encoding": "string"}
    assert ask("POST", at("exchanges", VHOST, "amq.default", "publish"), message)["routed"]


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shown(open_tab: Callable[..., Tab], theme: str) -> Tab:
    return open_tab(theme=theme, width=1280)


def take(tab: Tab, name: str, *, height: int) -> None:
    """A picture of the upper part of a page, of a few kilobytes."""
    tab.page.mouse.move(0, 0)
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.set_viewport_size({"width": 1280, "height": height})
    tab.page.wait_for_timeout(600)  # charts are drawn
    assert tab.barriers() == []
    picture = Image.open(io.BytesIO(tab.page.screenshot())).convert("RGB")
    small = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    octets = io.BytesIO()
    small.save(octets, "PNG", optimize=True)
    assert len(octets.getvalue()) <= BYTES_MAX
    if SCREENSHOTS:
        (Path(SCREENSHOTS) / f"gallery-{name}.png").write_bytes(octets.getvalue())


@pytest.mark.timeout(CHART_S + 300)
def test_overview(shown: Tab, theme: str) -> None:
    shown.show(title="Overview")
    expect(shown.page.locator("figure.chart")).to_have_count(7)
    take(shown, f"overview-{theme}", height=656)


@pytest.mark.timeout(CHART_S + 300)
def test_topology(shown: Tab, theme: str) -> None:
    shown.show("topology", VHOST, search="?exchange=orders&routing_key=order.eu.paid", title="Topology")
    expect(shown.page.locator(".explanation")).to_contain_text("Reaches 3 queues")
    take(shown, f"topology-{theme}", height=720)


@pytest.mark.timeout(CHART_S + 300)
def test_queue(shown: Tab, theme: str) -> None:
    shown.show("queues", VHOST, "billing", title="Queue billing")
    take(shown, f"queue-{theme}", height=860)


@pytest.mark.timeout(CHART_S + 300)
def test_messages(shown: Tab, theme: str) -> None:
    shown.show("messages", VHOST, "refunds.failed", title="Messages of refunds.failed")
    shown.page.get_by_role("button", name="Message 6", exact=True).click()
    message = shown.page.locator("article.message")
    expect(message).to_contain_text("Died 2 times")
    take(shown, f"messages-{theme}", height=860)


@pytest.mark.timeout(CHART_S + 300)
def test_stuck(shown: Tab, theme: str) -> None:
    shown.show("stuck", title="Stuck?")
    expect(shown.page.locator(".findings").first).to_be_visible()
    take(shown, f"stuck-{theme}", height=560)


@pytest.mark.timeout(CHART_S + 300)
def test_live(shown: Tab, theme: str) -> None:
    shown.show("live", search=f"?tap=/queues/{VHOST}/billing", title="Live")
    log = shown.page.locator("table.log tbody")
    expect(log).to_contain_text("dead-lettered")
    log.locator("tr").filter(has_text="dead-lettered").first.get_by_role("button").click()
    expect(shown.page.locator("article.message")).to_be_visible()
    take(shown, f"live-{theme}", height=780)
