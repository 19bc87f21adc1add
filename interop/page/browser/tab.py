"""A tab of the browser with the page in it, and what went wrong in it."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Locator, Page, expect

SITE = os.environ["MANAGEMENT_URL"]
AXE = Path(os.environ["AXE"])
SCREENSHOTS = os.environ["SCREENSHOTS"]
TIMEOUT_MS = 60_000
"""For what comes at once on a machine that has nothing else to do."""
WRONG = re.compile(r"\bundefined\b|\[object Object\]|\bNaN\b")
"""In the text of a page: a value that it did not get."""

SERIOUS = {"serious", "critical"}

expect.set_options(timeout=TIMEOUT_MS)


class Tab:
    """A tab with storage of its own: nobody is logged in, but that the page logs in by itself."""

    def __init__(self, browser: Browser, *, theme: str = "light", width: int = 1360, site: str = SITE) -> None:
        self._site = site
        self._context = browser.new_context(
            viewport={"width": width, "height": 860}, color_scheme=theme, accept_downloads=True
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.complaints: list[str] = []
        self.refusals: list[tuple[int, str, str]] = []
        """The answers that said no: status, method, address."""
        self._may_be_gone = False
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(error.stack or str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"a window opened: {dialog.message}"))
        self.page.on("requestfailed", self._miss)
        self.page.on("response", self._answered)

    def _hear(self, said: object) -> None:
        kind, text = said.type, said.text
        if kind in {"error", "warning"} and "Failed to load resource" not in text:  # these are answers that say no
            self.complaints.append(f"{kind}: {text}")

    def _miss(self, request: object) -> None:
        failure, url = request.failure, request.url
        if failure != "net::ERR_ABORTED":  # the page itself gives up what it does not need any more
            self.complaints.append(f"{url}: {failure}")

    def _answered(self, response: object) -> None:
        status, request = response.status, response.request
        if self._may_be_gone and (status, request.method) == (404, "GET"):
            return
        if status >= 400:
            self.refusals.append((status, request.method, request.url))

    def close(self) -> None:
        """Ends it. Nothing may have gone wrong, and nothing been refused that the test did not take note of."""
        hacked = self.page.evaluate("window.hacked")
        self._context.close()
        assert self.complaints == []
        assert self.refusals == []
        assert hacked is None

    def refused(self) -> list[tuple[int, str]]:
        """The answers that said no, of which note is taken hereby: status and method."""
        found = [(status, method) for status, method, _ in self.refusals]
        self.refusals.clear()
        return found

    def forget_what_is_gone(self) -> None:
        """Takes no note of what is asked for once more before the page of what was deleted is left."""
        self._may_be_gone = True
        self.refusals = [each for each in self.refusals if each[:2] != (404, "GET")]

    # --- where it is

    def show(self, *segments: str, title: str | None = None, search: str = "") -> None:
        """Goes to a page by its address, and waits until it is there; its heading ends with the title."""
        address = "#/" + "/".join(quote(each, safe="") for each in segments)
        self.page.goto(f"{self._site}{address}{search}")
        self.is_at(title)

    def is_at(self, title: str | None) -> None:
        heading = self.page.locator("main h1")
        if title is None:
            heading.wait_for()
        else:
            expect(heading).to_contain_text(title)
        assert not WRONG.search(self.page.inner_text("main"))

    # --- what is on it

    def button(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.page.locator("main")).get_by_role("button", name=name, exact=True)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def fill(self, **fields: str) -> None:
        """Fills in fields of the dialog, by their names."""
        for name, value in fields.items():
            field = self.dialog.locator(f"[name='{name.replace('_', '-')}'], [name='{name}']").first
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)

    def send(self, verb: str) -> None:
        """Sends the form of the dialog, which then closes."""
        self.dialog.get_by_role("button", name=verb, exact=True).click()
        expect(self.dialog).to_have_count(0)

    def refuse(self, verb: str) -> str:
        """Sends the form of the dialog, which is refused; returns the words beside the button."""
        self.dialog.get_by_role("button", name=verb, exact=True).click()
        failure = self.dialog.locator(".failure").filter(has_text=re.compile(r"\S"))
        expect(failure).to_have_count(1)
        return str(failure.inner_text())

    def row(self, text: str) -> Locator:
        """The row of a list with a name of just this text."""
        return self.page.locator("main tbody tr").filter(has=self.page.get_by_text(text, exact=True))

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for the page."""
        for _ in range(TIMEOUT_MS // 50):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("the page has not come to it")

    # --- what it is like

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            self.page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"), full_page=True)

    def barriers(self) -> list[str]:
        """What axe finds that keeps somebody from using the page."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [
            f"{each['id']}: {node['html']} {node['failureSummary']}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]
