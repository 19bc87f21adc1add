"""Logging in, and what users with other tags see."""

from collections.abc import Callable

from conftest import VHOST
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import Tab


def log_in(tab: Tab, user: str, password: str) -> None:
    tab.page.get_by_label("User", exact=True).fill(user)
    tab.page.get_by_label("Password").fill(password)
    tab.button("Log in").click()


def test_on_this_machine_the_default_user_is_logged_in(tab: Tab) -> None:
    tab.show(title="Overview")
    expect(tab.page.locator(".who")).to_have_text("guest")


def test_who_logs_out_has_to_log_in(tab: Tab) -> None:
    tab.show("queues", title="Queues")
    tab.page.get_by_role("button", name="Log out").click()
    tab.is_at("Log in")
    tab.page.reload()
    tab.is_at("Log in")
    assert tab.barriers() == []
    tab.picture("login-light")
    log_in(tab, "guest", "wrong")
    expect(tab.page.get_by_role("alert")).to_have_text("That is no login here.")
    assert tab.refused() == [(401, "GET")]
    log_in(tab, "guest", "guest")
    tab.is_at("Queues")


def test_a_login_that_is_not_valid_any_more(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    ask("PUT", at("users", "leaver"), {"password": "leaver", "tags": "monitoring"})
    as_somebody_else(tab, "leaver")
    tab.is_at("Overview")
    ask("DELETE", at("users", "leaver"))
    tab.is_at("Log in")
    expect(tab.page.locator("main")).to_contain_text("The login is not valid any more.")
    assert {status for status, _ in tab.refused()} == {401}


def as_somebody_else(tab: Tab, user: str) -> None:
    tab.show()
    tab.page.get_by_role("button", name="Log out").click()
    log_in(tab, user, user)


def test_a_user_without_a_tag_may_not_see_the_page(tab: Tab) -> None:
    as_somebody_else(tab, "worker")
    expect(tab.page.get_by_role("alert")).to_have_text("Not management user")
    assert tab.refused() == [(401, "GET")]


def test_a_monitor_sees_all_and_is_offered_no_more_than_it_may(tab: Tab) -> None:
    as_somebody_else(tab, "watcher")
    tab.is_at("Overview")
    tab.page.get_by_role("heading", name="Listens on").wait_for()
    expect(tab.page.get_by_role("link", name="Users")).to_have_count(0)
    for name in ("Export…", "Rename"):
        expect(tab.button(name)).to_have_count(0)
    for page, button in (
        ("policies", "Add a policy…"),
        ("limits", "Limit a virtual host…"),
        ("vhosts", "Add a virtual host…"),
    ):
        tab.page.get_by_role("link", name={"vhosts": "Virtual hosts"}.get(page, page.capitalize())).first.click()
        tab.row(VHOST).first.wait_for()
        expect(tab.button(button)).to_have_count(0)


def test_a_manager_sees_its_own(tab: Tab) -> None:
    ask("PUT", at("users", "manager"), {"password": "manager", "tags": "management"})
    ask("PUT", at("permissions", VHOST, "manager"), dict.fromkeys(("configure", "write", "read"), ".*"))
    as_somebody_else(tab, "manager")
    tab.is_at("Overview")
    expect(tab.page.get_by_role("heading", name="Listens on")).to_have_count(0)
    tab.page.get_by_role("link", name="Queues").first.click()
    tab.row("billing").wait_for()
    tab.page.get_by_role("link", name="Connections").first.click()
    expect(tab.page.locator("main")).to_contain_text("No client is connected.")
