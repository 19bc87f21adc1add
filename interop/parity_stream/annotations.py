"""The annotations of a message, in an order of ours: RabbitMQ's own differ in it from one release to the next."""

HEADER, ANNOTATIONS = b"\x00Sp", b"\x00Sr"
FIXED = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
"""Sizes of values by the upper half of their first byte."""


def value_end(message: bytes, at: int) -> int:
    """Where the value ends that begins there. Raises ValueError if it is none, or cut off."""
    if at >= len(message):
        raise ValueError("no value")
    kind = message[at] >> 4
    if kind in FIXED:
        end = at + 1 + FIXED[kind]
    else:
        width = {0xA: 1, 0xB: 4, 0xC: 1, 0xD: 4}.get(kind)
        if width is None:
            raise ValueError(f"no type of a value: {message[at]:#x}")
        end = at + 1 + width + int.from_bytes(message[at + 1 : at + 1 + width], "big")
    if end > len(message):
        raise ValueError("cut off")
    return end


def in_order(message: bytes) -> bytes:
    """The message with its annotations sorted; as it is, if it has none."""
    try:
        start = value_end(message, 3) if message.startswith(HEADER) else 0
        if message[start : start + 3] != ANNOTATIONS or message[start + 3] not in {0xC1, 0xD1}:
            return message
        end = value_end(message, start + 3)
        at = start + (6 if message[start + 3] == 0xC1 else 12)
        first, pairs = at, []
        while at < end:
            key_end = value_end(message, at)
            pair_end = value_end(message, key_end)
            pairs.append(message[at:pair_end])
            at = pair_end
    except (ValueError, IndexError):
        return message
    return message[:first] + b"".join(sorted(pairs)) + message[end:]
