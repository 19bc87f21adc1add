"""The examples of `docs/explain.md` are what the broker says."""

import json
import re
import shlex
from pathlib import Path

import pytest

from .harness import Site

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explain.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ amqpy ctl -q explain "


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(PAGE.read_text("utf-8")) if name == language]


@pytest.mark.parametrize("profile", ["rabbitmq-3.13"])
async def test_the_examples(site: Site) -> None:
    (definitions,) = blocks("json")
    assert (await site.post("/api/definitions", json.loads(definitions))).status == 204
    examples = [text for text in blocks("") if text.startswith(PROMPT)]
    assert len(examples) == 4
    for example in examples:
        command, _, shown = example.partition("\n")
        exchange, key, *options = shlex.split(command.removeprefix(PROMPT))
        headers = json.loads(options[1]) if options else {}
        reply = await site.post("/api/explain", {"exchange": exchange, "routing_key": key, "headers": headers})
        assert reply.json["text"] + "\n" == shown, command
