"""The picture of a topology of a thousand objects is drawn while it is moved, zoomed and walked through.

    python -m interop.page -- -k frames -s

prints how long it takes from one frame to the next, and how many tasks of the page were long. docs/ui.md has the
numbers.
"""

import random
from collections.abc import Callable, Iterator
from typing import TypedDict

import pytest
from playwright.sync_api import expect
from site_of_broker import ask, at
from tab import Tab

VHOST = "large"
EXCHANGES, QUEUES, BINDINGS = 100, 900, 2000
STEPS = 120

RECORD = """() => {
  const found = { frames: [], tasks: [] };
  let last;
  let isOn = true;
  const next = (now) => {
    if (last !== undefined) found.frames.push(now - last);
    last = now;
    if (isOn) requestAnimationFrame(next);
  };
  const observer = new PerformanceObserver((list) => found.tasks.push(...list.getEntries().map((e) => e.duration)));
  observer.observe({ type: "longtask" });
  requestAnimationFrame(next);
  window.stopRecording = () => { isOn = false; observer.disconnect(); return found; };
}"""


class Record(TypedDict):
    """Milliseconds between frames, and of tasks of the page that were longer than 50."""

    frames: list[float]
    tasks: list[float]


@pytest.fixture(scope="module")
def large() -> Iterator[None]:
    chance = random.Random(7)
    exchanges = [f"exchange.{number}" for number in range(EXCHANGES)]
    queues = [f"queue.{number}" for number in range(QUEUES)]
    ends = {(chance.choice(exchanges), chance.choice(queues)) for _ in range(2 * BINDINGS)}
    each_once = [(exchanges[index % EXCHANGES], name) for index, name in enumerate(queues)]
    bound = list(dict.fromkeys([*each_once, *sorted(ends)]))[:BINDINGS]
    ask("PUT", at("vhosts", VHOST), {})
    ask("PUT", at("permissions", VHOST, "guest"), dict.fromkeys(("configure", "write", "read"), ".*"))
    kept = {"durable": True, "auto_delete": False, "arguments": {}}
    definitions = {
        "exchanges": [{"name": name, "type": "topic", "internal": False, **kept} for name in exchanges],
        "queues": [{"name": name, **kept} for name in queues],
        "bindings": [
            {"source": source, "destination": queue, "destination_type": "queue", "routing_key": "k", "arguments": {}}
            for source, queue in bound
        ],
    }
    ask("POST", at("definitions", VHOST), definitions)
    yield
    ask("DELETE", at("vhosts", VHOST))


def recorded(tab: Tab, what: Callable[[], None]) -> Record:
    tab.page.evaluate(RECORD)
    what()
    found: Record = tab.page.evaluate("window.stopRecording()")
    return found


def picture_of(tab: Tab) -> str:
    return str(tab.page.evaluate("document.querySelector('canvas.picture').toDataURL()"))


def say(what: str, record: Record) -> None:
    frames = sorted(record["frames"])
    middle, most, last = (frames[int(share * (len(frames) - 1))] for share in (0.5, 0.95, 1))
    long = f"{len(record['tasks'])} tasks over 50 ms" + (f", {max(record['tasks']):.0f} ms" if record["tasks"] else "")
    print(f"{what}: {len(frames)} frames; ms: median {middle:.1f}, 95 % {most:.1f}, most {last:.1f}; {long}")


def test_a_thousand_objects_are_drawn_as_they_are_moved(large: None, tab: Tab) -> None:
    tab.show()
    picture = tab.page.locator("canvas.picture")

    def open_it() -> None:
        tab.show("topology", VHOST, title="Topology")
        expect(tab.page.locator(".topology [role=status]").first).to_contain_text("1,000 objects, 2,000 relations")
        tab.page.wait_for_timeout(1000)

    opened = recorded(tab, open_it)
    box = picture.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = tab.page.mouse
    print()
    say("opened", opened)

    def drag() -> None:
        mouse.move(x, y)
        mouse.down()
        for step in range(STEPS):
            mouse.move(x + step * 2, y + step)
        mouse.up()

    def wheel() -> None:
        for step in range(STEPS):
            mouse.wheel(0, -20 if step < STEPS / 2 else 20)

    def hover() -> None:
        for step in range(STEPS):
            mouse.move(x - 200 + 4 * step, y - 100 + 2 * step)

    def walk() -> None:
        picture.focus()
        for step in range(STEPS):
            tab.page.keyboard.press(("ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft")[step % 4])

    def seek() -> None:
        for text in ("queue.1", "queue.12", "exchange.9", ""):
            tab.page.get_by_role("searchbox").first.fill(text)
            tab.page.wait_for_timeout(100)

    tab.button("Fit").click()
    for name, what in (("all is shown, dragged", drag), ("zoomed in and out", wheel), ("dragged", drag)):
        before = picture_of(tab)
        say(name, recorded(tab, what))
        if what is drag:
            assert picture_of(tab) != before
    for _ in range(4):
        tab.button("Zoom in").click()
    for name, what in (("near, dragged", drag), ("pointed at", hover), ("walked through", walk), ("sought", seek)):
        say(name, recorded(tab, what))
    expect(tab.page.locator(".about")).not_to_contain_text("Pointed boxes")
