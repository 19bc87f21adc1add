"""The number of logins, by protocol, since the broker started or they were reset.

Source: `rabbit_core_metrics`: `auth_attempt_succeeded`, `auth_attempt_failed`; `rabbit_mgmt_wm_auth_attempts`.
"""

from typing import Any, Final

from amqpy.core.statistics import Counts

AMQP: Final = "amqp091"
HTTP: Final = "http"

EVENTS: Final = ("user.authentication.failure", "user.authentication.success")


class Attempts:
    """Counts the logins over HTTP; those of clients are counted as events."""

    def __init__(self) -> None:
        self._of_http = [0, 0]
        """Failed and succeeded."""
        self._before = (0, 0)
        """Those of clients when they were reset."""

    def note(self, succeeded: bool) -> None:
        self._of_http[succeeded] += 1

    def reset(self, events: Counts) -> None:
        self._of_http = [0, 0]
        self._before = _of_clients(events)

    def view(self, events: Counts) -> list[dict[str, Any]]:
        of_clients = [now - before for now, before in zip(_of_clients(events), self._before, strict=True)]
        found = ((HTTP, self._of_http), (AMQP, of_clients))
        return [_row(protocol, *counts) for protocol, counts in found if any(counts)]


def _of_clients(events: Counts) -> tuple[int, int]:
    failed, succeeded = (events.get(name, 0) for name in EVENTS)
    return failed, succeeded


def _row(protocol: str, failed: int, succeeded: int) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "auth_attempts": failed + succeeded,
        "auth_attempts_failed": failed,
        "auth_attempts_succeeded": succeeded,
    }
