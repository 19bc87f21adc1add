"""The same conversations again, where to move one message is more than a turn may do: not a frame is different."""

# Only the tests of these modules are meant: that other names come more than once does not matter.
# ruff: noqa: F403
# mypy: disable-error-code="assignment"

from collections.abc import Iterator

import pytest

from tests.core.slices import sliced

from .test_alarms import *
from .test_closing import *
from .test_consumer_timeouts import *
from .test_consuming import *
from .test_events import *
from .test_exchanges import *
from .test_pipelining import *
from .test_publishing import *
from .test_reply_to import *
from .test_transactions import *


@pytest.fixture(autouse=True)
def slices() -> Iterator[None]:
    with sliced(1):
        yield
