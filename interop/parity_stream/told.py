"""Frames as lines, in which what may differ between two brokers is hidden."""

import time
from collections.abc import Iterator
from typing import Any

from interop.parity.codec import bytes_text
from interop.parity_stream.annotations import in_order
from interop.stream.chunk import MAGIC_AND_VERSION, BadChunk, Chunk
from interop.stream.codec import Frame

DESCRIPTIONS = frozenset({b"version", b"platform", b"copyright", b"information", b"cluster_name"})
CLOCKS_DIFFER_MS = 600_000


def told(frame: Frame, port: int, *, offsets: bool = True) -> str:
    """A frame as one line. `port`: where the broker listens, which is hidden."""
    if not frame.name:
        response = "response " if frame.is_response else ""
        return f"unreadable {response}key={frame.key} version={frame.version} {bytes_text(frame.body)}"
    parts = [frame.name]
    parts += ["response"] if frame.is_response else []
    parts += [f"v{frame.version}"] if frame.version != 1 else []
    parts += [f"#{frame.correlation}"] if frame.correlation is not None else []
    parts += [f"code={frame.code}"] if frame.code is not None else []
    for name, value in frame.fields.items():
        if name == "chunk":
            parts.append(chunk_text(value, offsets=offsets))
        elif name == "committed":
            parts.append("committed=" + ("fine" if value >= frame.fields["chunk"].id else str(value)))
        elif name != "subscription" or frame.name != "Deliver":
            parts.append(f"{name}={hidden(frame.name, name, value, port)}")
    return " ".join(parts)


def hidden(command: str, name: str, value: Any, port: int) -> str:  # noqa: ANN401 - any kind of field
    if name == "properties":
        return "{" + ", ".join(property_text(key, text, port) for key, text in sorted(value)) + "}"
    if command == "Metadata" and name == "brokers":
        return shown([(reference, host, "<port>" if at == port else at) for reference, host, at in value])
    if command in {"Metadata", "StreamStats", "ExchangeCommandVersions"}:
        value = sorted(value)  # in no order
    return shown(value)


def property_text(key: bytes, value: bytes, port: int) -> str:
    if key in DESCRIPTIONS:
        return f"{shown(key)}: …"
    if key == b"advertised_port" and value == str(port).encode():
        return f"{shown(key)}: <port>"
    return f"{shown(key)}: {shown(value)}"


def chunk_text(chunk: Chunk, *, offsets: bool = True) -> str:
    """The header but for the epoch, the checksum, and the sizes of what is not sent: whether they are right."""
    recent = abs(chunk.timestamp / 1000 - time.time()) * 1000 < CLOCKS_DIFFER_MS
    parts = [
        f"chunk {chunk.id if offsets else '<offset>'}",
        f"entries={chunk.entry_count}",
        f"records={chunk.record_count}",
        f"size={chunk.size}",
        "now" if recent else f"timestamp={chunk.timestamp}",
        "sound" if chunk.is_sound else "unsound",
    ]
    parts += [f"type={chunk.type}"] if chunk.type else []
    parts += [f"magic={chunk.magic:#x}"] if chunk.magic != MAGIC_AND_VERSION else []
    parts += ["filtered"] if chunk.filter_size else []
    parts += [] if chunk.epoch else ["no epoch"]
    return " ".join(parts)


def entry_lines(chunk: Chunk, run_id: str) -> Iterator[str]:
    """A line for each entry. What only this run has in its names is hidden before long ones are cut."""
    try:
        for kind, content in chunk.entries():
            shown_content = bytes_text(in_order(content).replace(run_id.encode(), b"*"))
            yield f"  {f'sub-batch {kind:#x} ' if kind else ''}{shown_content}"
    except BadChunk as error:
        yield f"  {error}"


def shown(value: Any) -> str:  # noqa: ANN401
    match value:
        case bytes():
            return bytes_text(value)
        case list():
            return f"[{', '.join(map(shown, value))}]"
        case tuple():
            return f"({', '.join(map(shown, value))})"
    return str(value)
