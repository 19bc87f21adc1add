"""The examples in docs/testing-with-clients.md run as they stand there. Those that need libraries of their own are left
to `interop.stand_in`."""

from interop.stand_in import examples_of
from tests.testing import page_clients

GIVEN = {name: getattr(page_clients, name) for name in page_clients.__all__}

namespace = {**GIVEN, "__name__": __name__}
for code in examples_of(None):
    exec(code, namespace)
globals().update({name: value for name, value in namespace.items() if name not in GIVEN and name[0] != "_"})


def test_the_page_is_read() -> None:
    assert len([name for name in namespace if name.startswith("test_")]) >= 7
