"""A browser on the pages that the broker serves, as an operator sits before it. Nothing may go wrong unseen: errors in
the console, scripts that fail, and answers that say no are found by `complaints`."""

import atexit
import re
from urllib.parse import quote

from management import PARTS, PASSWORD, USER
from playwright.sync_api import sync_playwright

SITE = f"http://{PARTS.hostname}:{PARTS.port}/"
TIMEOUT_MS = 30_000
WRONG = re.compile(r"undefined|\[object Object\]")
"""In the text of a page: a value that it did not get. RabbitMQ has NaN for what nothing has happened to yet."""

_playwright = sync_playwright().start()
atexit.register(_playwright.stop)
_chromium = _playwright.chromium.launch(
    executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage"]
)
# RabbitMQ's answer to a wrong login has the browser ask for another one, in a window of its own that nobody can fill in
# here. It is told one, which is refused, too.
page = _chromium.new_page(
    viewport={"width": 1400, "height": 1000}, http_credentials={"username": "nobody", "password": "none"}
)
page.set_default_timeout(TIMEOUT_MS)
page.on("dialog", lambda dialog: dialog.accept())

_complaints = []
page.on("console", lambda said: _complaints.append(said.text) if said.type in ("error", "warning") else None)
page.on("pageerror", lambda error: _complaints.append(error.stack or str(error)))


def _miss(request):
    if request.failure != "net::ERR_ABORTED":  # the page itself gives up what it does not need any more
        _complaints.append(f"{request.url}: {request.failure}")


def _hear(answer):
    if answer.status >= 400:
        _complaints.append(f"{answer.request.method} {answer.url}: {answer.status}")


page.on("requestfailed", _miss)
page.on("response", _hear)


def complaints():
    """What has gone wrong since it was last asked for."""
    found = list(_complaints)
    _complaints.clear()
    return found


def log_in(user=USER, password=PASSWORD):
    page.goto(SITE)
    page.fill("#login input[name=username]", user)
    page.fill("#login input[name=password]", password)
    page.click("#login input[type=submit]")


def show(title, *segments):
    """Go to a page by its address; it must have come with this title, without a complaint, and with all it shows."""
    page.evaluate("address => { location.hash = address }", "#/" + "/".join(quote(each, safe="") for each in segments))
    opened(title)


def opened(title):
    page.wait_for_selector(f"#main :is(h1, h2):has-text({as_text(title)})")
    wrong = complaints()
    assert not wrong, wrong
    shown = page.inner_text("#main")
    assert not WRONG.search(shown), shown


def cell(words):
    """Wait for a cell of a table of the page."""
    page.wait_for_selector(f"#main td:has-text({as_text(words)})")


def as_text(words):
    return '"' + words.replace('"', '\\"') + '"'


def unfold():
    """Open every section of a page, as one click does for each; the page comes anew now and then."""
    page.evaluate("$('#main .section-invisible > h2').click()")


def send(action, method="put", **fields):
    """Fill in a form of the page and send it; the page comes anew. A field may be a choice."""
    unfold()
    form = page.locator(f"form[action='#/{action}'][method={method}]").first
    for name, value in fields.items():
        field = form.locator(f"[name='{name}']:not([type=hidden])").first
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    form.locator("input[type=submit]").first.click()
