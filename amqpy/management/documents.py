"""Objects with long lists in them, which are sent in pieces: between two of them the broker does its work."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from amqpy.management.answers import NO_HEADERS, Headers, as_json
from amqpy.management.lists import InTurn, Listing, Query, View, columns_of, extract, narrowed, page_of, views_of


class Document(NamedTuple):
    """An object that a handler returns."""

    heading: View
    """Its other keys, which come first."""
    lists: Mapping[str, Listing]
    headers: Headers = NO_HEADERS


async def in_pieces(document: Document, query: Query, in_turn: InTurn[Any]) -> AsyncGenerator[bytes, None]:
    """The JSON of a document. `in_turn` makes a call in a turn of the broker."""
    columns = None if page_of(query) else columns_of(query)
    before = as_json(extract(document.heading, columns) or {})[:-1]
    for key, listing in document.lists.items():
        is_wanted, below = narrowed(columns, key)
        if not is_wanted:
            continue
        before += (b"," if before != b"{" else b"") + as_json(key) + b":["
        async with aclosing(views_of(listing.items, listing.view, in_turn)) as pieces:
            async for views in pieces:
                yield before + as_json([extract(each, below) for each in views])[1:-1]
                before = b","
        # What was to come before the next item, if there was none, is all there is.
        before = b"]" if before == b"," else before + b"]"
    # An object of which no column is left is an empty list, as anywhere.
    yield b"[]" if before == b"{" else before + b"}"
