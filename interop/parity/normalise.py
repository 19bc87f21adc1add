"""What may differ between two brokers that do the same is taken out of a transcript here."""

import re
import struct
import time


class Normaliser:
    """Hides what may differ, keeps what it was the same as: the second server-made name stays the second."""

    SERVER_MADE = re.compile(r"amq\.(gen|ctag)-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")
    DESCRIPTIONS = re.compile(r"(version|platform|copyright|information|cluster_name): S'(?:[^'\\]|\\.)*'")

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._numbers: dict[str, int] = {}

    def __call__(self, line: str) -> str:
        line = line.replace(self._run_id, "*")
        if line.startswith("connection.start "):
            line = self.DESCRIPTIONS.sub(r"\1: S…", line)
        return self.SERVER_MADE.sub(self._numbered, line)

    def _numbered(self, match: re.Match[str]) -> str:
        number = self._numbers.setdefault(match[0], len(self._numbers) + 1)
        return f"amq.{match[1]}-<{number}>"


TIME_ENTRY = re.compile(rb"(?<=\x04timeT).{8}", re.DOTALL)
CLOCKS_DIFFER_S = 600


def without_recent_times(properties: bytes) -> bytes:
    """Hides when a message died, the `time` entries of its x-death header, as long as that was now and in seconds.

    The placeholder is as long as a timestamp. What a script put there is not recent and stays.
    """
    return TIME_ENTRY.sub(lambda match: b"<recent>" if is_recent(match[0]) else match[0], properties)


def is_recent(timestamp: bytes) -> bool:
    seconds: int = struct.unpack(">Q", timestamp)[0]
    return abs(seconds - time.time()) < CLOCKS_DIFFER_S


def natural(line: str) -> list[tuple[int, str]]:
    """A sort key that puts `ack 10` after `ack 9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", line)]
