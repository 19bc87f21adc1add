"""Write the generated parts of docs/, or with --check only say which of them are stale.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is a function in PARTS.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's amqpy, whichever one is installed

from amqpy.config import SETTINGS, about, expectation, option_name  # noqa: E402 (needs the path above)

PART = re.compile(r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    stale = [
        page for page in sorted((ROOT / "docs").glob("*.md")) if generated(page) != page.read_text("utf-8")
    ]
    if arguments == ["--check"]:
        for page in stale:
            print(f"{page.relative_to(ROOT)} is stale: run `python scripts/docs.py`", file=sys.stderr)
        return 1 if stale else 0
    for page in stale:
        page.write_text(generated(page), "utf-8")
    return 0


def generated(page: Path) -> str:
    """What the page should say."""
    return PART.sub(
        lambda part: f"{part['begin']}\n{PARTS[part['name']]()}\n{part['end']}", page.read_text("utf-8")
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *map(list, rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def settings() -> str:
    rows = []
    for name, setting in SETTINGS.items():
        told = about(setting)
        others = [option_name(name)] if told.option is not None else []
        others += [told.rabbitmq_variable] if told.rabbitmq_variable else []
        rows.append(
            [
                f"`{name}`",
                in_toml(setting.default),
                expectation(setting),
                told.doc,
                ", ".join(f"`{other}`" for other in others),
            ]
        )
    return table(["Setting", "Default", "Takes", "Meaning", "Also"], rows)


def in_toml(value: object) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"  # the same text, for the types there are


PARTS: dict[str, Callable[[], str]] = {"settings": settings}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
