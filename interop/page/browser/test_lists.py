"""Lists of ten thousand rows, what is live in them, and the keyboard."""

from collections.abc import Callable, Iterator

import pytest
from conftest import VHOST
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import Tab

MANY = 10_000


@pytest.fixture(scope="module")
def many() -> Iterator[str]:
    """A virtual host with many queues."""
    ask("PUT", at("vhosts", "many"))
    ask("PUT", at("permissions", "many", "guest"), dict.fromkeys(("configure", "write", "read"), ".*"))
    queues = [
        {"name": f"queue-{number:05}", "durable": False, "auto_delete": False, "arguments": {}}
        for number in range(MANY)
    ]
    ask("POST", at("definitions", "many"), {"queues": queues})
    for number in (7, 4321):
        message = {"properties": {}, "routing_key": f"queue-{number:05}", "payload": "x", "payload_encoding": "string"}
        ask("POST", at("exchanges", "many", "amq.default", "publish"), message)
    yield "many"
    ask("DELETE", at("vhosts", "many"))


def first(tab: Tab) -> str:
    return str(tab.page.locator("main tbody th").first.inner_text())


def test_ten_thousand_queues_are_paged_sorted_and_filtered(many: str, open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    tab.show("queues")
    tab.page.get_by_label("Virtual host").first.select_option(many)
    amount = tab.page.locator(".pager .amount")
    expect(amount).to_have_text("1\u2013100 of 10,000")
    assert first(tab) == "queue-00000"
    tab.page.keyboard.press("]")
    expect(amount).to_have_text("101\u2013200 of 10,000")
    tab.until(lambda: first(tab) == "queue-00100")
    assert "page=2" in tab.page.url

    ready = tab.page.get_by_role("button", name="Ready")
    ready.click()
    tab.until(lambda: first(tab) in {"queue-00007", "queue-04321"})
    expect(tab.page.locator("th[aria-sort=descending]")).to_contain_text("Ready")
    expect(amount).to_have_text("1\u2013100 of 10,000")
    tab.page.reload()
    tab.until(lambda: first(tab) in {"queue-00007", "queue-04321"})

    tab.page.keyboard.press("/")
    tab.page.keyboard.type("queue-043")
    expect(amount).to_have_text("100 of 10,000")
    tab.page.get_by_role("button", name="Regular expression").click()
    tab.page.get_by_role("searchbox").fill("[02]1$")
    expect(amount).to_have_text("1\u2013100 of 200 of 10,000")
    tab.picture("queues-many-light")
    tab.page.get_by_role("searchbox").fill("(")
    expect(tab.page.get_by_role("alert")).not_to_be_empty()
    tab.refused()
    tab.page.get_by_role("searchbox").fill("nothing is called like this")
    expect(tab.page.locator("main")).to_contain_text("Nothing here is called like that.")


def test_a_list_that_has_become_shorter_shows_its_last_page(many: str, tab: Tab) -> None:
    tab.show("queues", search="?page=90&name=queue-0432", title="Queues")
    expect(tab.page.locator(".pager .amount")).to_contain_text("10")
    tab.until(lambda: first(tab) == "queue-04320")
    tab.refused()


def test_columns_are_chosen_and_remembered(tab: Tab) -> None:
    tab.show("queues")
    tab.page.get_by_label("Virtual host").first.select_option(VHOST)
    expect(tab.page.get_by_role("button", name="Policy", exact=True)).to_have_count(0)
    tab.button("Columns").click()
    tab.page.get_by_label("Policy", exact=True).check()
    tab.page.keyboard.press("Escape")
    expect(tab.row("billing")).to_contain_text("limits")
    tab.page.reload()
    expect(tab.row("billing")).to_contain_text("limits")


def test_numbers_change_while_one_looks(tab: Tab) -> None:
    tab.show("queues", VHOST, "unrouted", title="unrouted")
    ready = tab.page.locator(".facts > div").filter(has_text="Ready").locator("dd")
    ready.wait_for()
    before = ready.inner_text()
    expect(ready).not_to_have_text(before)
    expect(tab.page.locator(".mode")).to_have_text("live")


def test_what_comes_and_goes_is_shown(tab: Tab) -> None:
    tab.show("queues")
    tab.page.get_by_label("Virtual host").first.select_option(VHOST)
    tab.row("billing").wait_for()
    ask("PUT", at("queues", VHOST, "a visitor"), {"durable": True})
    tab.row("a visitor").wait_for()
    ask("DELETE", at("queues", VHOST, "a visitor"))
    expect(tab.row("a visitor")).to_have_count(0)


def test_nothing_is_asked_while_the_page_is_hidden(tab: Tab) -> None:
    tab.show("queues")
    tab.page.get_by_label("Virtual host").first.select_option(VHOST)
    tab.row("billing").wait_for()
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    expect(tab.page.locator(".mode")).to_have_text("paused")
    tab.page.wait_for_timeout(3000)
    assert asked == []
    tab.page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    tab.until(lambda: bool(asked))


def test_the_keyboard_leads_everywhere(tab: Tab) -> None:
    tab.show()
    for key, title in {"q": "Queues", "e": "Exchanges", "c": "Connections", "o": "Overview", "u": "Users"}.items():
        tab.page.keyboard.press("g")
        tab.page.keyboard.press(key)
        tab.is_at(title)
        expect(tab.page.locator("main h1")).to_be_focused()
    tab.page.keyboard.press("?")
    expect(tab.dialog).to_contain_text("Queues")
    tab.picture("keys-light")
    tab.page.keyboard.press("g")
    tab.page.keyboard.press("q")
    tab.is_at("Users")
    tab.page.keyboard.press("Escape")
    expect(tab.dialog).to_have_count(0)
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("gq?")
    expect(tab.page.get_by_role("searchbox").first).to_have_value("gq?")
    tab.is_at("Users")


def test_a_dialog_gives_the_focus_back(tab: Tab) -> None:
    tab.show("queues", title="Queues")
    button = tab.button("Create a queue…")
    button.focus()
    tab.page.keyboard.press("Enter")
    expect(tab.dialog.get_by_label("Name", exact=True)).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(button).to_be_focused()


def test_the_theme_is_chosen_and_remembered(tab: Tab) -> None:
    tab.show()
    tab.page.get_by_label("Theme").select_option("dark")
    assert tab.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    tab.page.reload()
    tab.is_at("Overview")
    assert tab.page.evaluate("document.documentElement.dataset.theme") == "dark"
