"""Unicode properties (`\\p{L}`) of octets, each of which is a character of Latin-1.

Source: pcrepattern(3), "Unicode character properties". Of scripts, which are many, only the best known have names here.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from amqpy.patterns.octets import ALL, Octets

CATEGORIES: Final = (
    *("Cc", "Cf", "Cn", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Nl", "No"),
    *("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"),
)
EMPTY_SCRIPTS: Final = (
    *("Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Greek", "Han", "Hangul"),
    *(
        "Hebrew",
        "Hiragana",
        "Inherited",
        "Katakana",
        "Khmer",
        "Lao",
        "Mongolian",
        "Myanmar",
        "Tamil",
        "Thai",
        "Tibetan",
    ),
)
"""Scripts of which no character is in Latin-1."""

CONTROL_SPACES: Final = frozenset(b"\t\n\v\f\r\x85")
IN_NAMES: Final = frozenset(b"$@`") | frozenset(range(0xA0, 0x100))
"""Characters that a universal character name can stand for."""


def _properties() -> Mapping[str, Octets]:
    found: defaultdict[str, Octets] = defaultdict(frozenset)
    for octet in ALL:
        category = unicodedata.category(chr(octet))
        for name in (category, category[0]):
            found[name] |= {octet}
    latin = frozenset(octet for octet in found["L"] if octet != ord("µ"))
    found |= {"Any": ALL, "L&": found["Ll"] | found["Lu"], "Latin": latin, "Common": ALL - latin}
    found |= dict.fromkeys(("Xps", "Xsp"), found["Z"] | CONTROL_SPACES)
    alphanumeric = found["L"] | found["N"]
    found |= {"Xan": alphanumeric, "Xwd": alphanumeric | {ord("_")}, "Xuc": IN_NAMES}
    return {name: found[name] for name in (*CATEGORIES, *"CLMNPSZ", *EMPTY_SCRIPTS, *found)}


PROPERTIES: Final = _properties()
"""The octets that have a property, by its name."""
