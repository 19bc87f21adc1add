"""What Hypothesis draws AMQP's values from."""

from hypothesis import strategies as st

from amqpy.wire.values import Field, Table, array_field, table_field, text

INTEGERS = {
    "byte": (-(2**7), 2**7 - 1),
    "unsignedbyte": (0, 2**8 - 1),
    "short": (-(2**15), 2**15 - 1),
    "unsignedshort": (0, 2**16 - 1),
    "signedint": (-(2**31), 2**31 - 1),
    "unsignedint": (0, 2**32 - 1),
    "long": (-(2**63), 2**63 - 1),
    "timestamp": (0, 2**64 - 1),
}
"""Every whole number on the wire, with its range."""


def integers_of(kind: str) -> st.SearchStrategy[Field]:
    return st.integers(*INTEGERS[kind]).map(lambda value: Field(kind, value))


any_text = st.binary(max_size=20).map(text)
"""Text of a long string: any bytes, whether they are UTF-8 or not."""

keys = st.binary(max_size=8).map(text)
names = st.text(st.characters(codec="utf-8"), max_size=60).filter(lambda name: len(name.encode()) <= 255)

scalars: st.SearchStrategy[Field] = st.one_of(
    *map(integers_of, INTEGERS),
    st.booleans().map(lambda value: Field("bool", value)),
    any_text.map(lambda value: Field("longstr", value)),
    st.binary(max_size=20).map(lambda value: Field("binary", value)),
    st.floats(allow_nan=False).map(lambda value: Field("double", value)),
    st.floats(width=32, allow_nan=False).map(lambda value: Field("float", value)),
    st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1)).map(lambda value: Field("decimal", value)),
    st.just(Field("void", None)),
)


def _nested(inner: st.SearchStrategy[Field]) -> st.SearchStrategy[Field]:
    return st.one_of(
        st.dictionaries(keys, inner, max_size=4).map(lambda value: table_field(value)),
        st.lists(inner, max_size=4).map(lambda value: array_field(value)),
    )


fields: st.SearchStrategy[Field] = st.recursive(scalars, _nested, max_leaves=10)
tables: st.SearchStrategy[Table] = st.dictionaries(keys, fields, max_size=5)


def quiet_nans(exponent_bits: int, fraction_bits: int) -> st.SearchStrategy[bytes]:
    """The bytes of not-a-number with any payload; quiet, because hardware changes signalling ones on the way."""
    size = 1 + exponent_bits + fraction_bits
    quiet = ((1 << exponent_bits + 1) - 1) << fraction_bits - 1
    payloads = st.tuples(st.booleans(), st.integers(0, 2 ** (fraction_bits - 1) - 1))
    return payloads.map(lambda drawn: (drawn[0] << size - 1 | quiet | drawn[1]).to_bytes(size // 8, "big"))


def chunked(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """The same bytes in any number of pieces."""
    cuts = st.lists(st.integers(0, len(data)), max_size=12).map(sorted)
    return cuts.map(lambda at: [data[start:stop] for start, stop in zip([0, *at], [*at, len(data)], strict=True)])


@st.composite
def mangled(draw: st.DrawFn, data: bytes) -> bytes:
    """Almost the same bytes: some changed, cut or put in. Plain random bytes hardly ever get past the first field."""
    raw = bytearray(data)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        match draw(st.sampled_from(["change", "insert", "delete", "cut"])):
            case "change" if at < len(raw):
                raw[at] = draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
            case "insert":
                raw[at:at] = draw(st.binary(min_size=1, max_size=5))
            case "delete":
                del raw[at : at + draw(st.integers(1, 5))]
            case "cut":
                del raw[at:]
    return bytes(raw)
