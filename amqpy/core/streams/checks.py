"""The arguments of streams and their consumers, beyond what all arguments are checked for."""

from typing import Final

from amqpy.core.streams.bloom import Wanted
from amqpy.errors import PreconditionFailed
from amqpy.profile import Profile
from amqpy.wire.values import INTEGER_KINDS, Field, Table, as_text, decode_array

SEGMENT_BYTES_MAX: Final = 3_000_000_000
FILTER_BYTES: Final = range(16, 256)
FILTER_OPTION: Final = "stream-filter-size-bytes"


def check_sizes(arguments: Table, profile: Profile) -> None:
    """Checks the sizes of segments and filters. Raises PreconditionFailed."""
    size = arguments.get("x-stream-max-segment-size-bytes")
    if size is not None and size.value > SEGMENT_BYTES_MAX:
        raise PreconditionFailed("Exceeded max value for x-stream-max-segment-size-bytes")
    size = arguments.get("x-stream-filter-size-bytes")
    if size is None or FILTER_OPTION in profile.lacking_options:
        return
    if size.kind not in INTEGER_KINDS or size.value not in FILTER_BYTES:
        raise PreconditionFailed(f"Invalid value for{profile.stream_filter_blanks}x-stream-filter-size-bytes")


def wanted_of(arguments: Table, profile: Profile) -> Wanted | None:
    """The filter that a consumer asks for; None if it takes everything. What has another type does not count."""
    field = arguments.get("x-stream-filter")
    if field is None or "stream-filter" in profile.lacking_options or field.kind not in {"longstr", "array"}:
        return None
    fields = [field] if field.kind == "longstr" else decode_array(field.value)
    values = [as_text(each.value).encode("utf-8", "surrogateescape") for each in fields if each.kind == "longstr"]
    unfiltered = arguments.get("x-stream-match-unfiltered")
    return Wanted(values, match_unfiltered=unfiltered == Field("bool", True))
