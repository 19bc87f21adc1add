"""The core of a test broker: its time is a clock of its own, and what it settles is recorded."""

from collections.abc import Sequence
from typing import Any

from amqpy.core.broker import Broker
from amqpy.core.consumer import Delivery, ReturnWay
from amqpy.core.users import LoginFailed, User, Users
from amqpy.core.vhost import Vhost
from amqpy.testing.events import Event
from amqpy.testing.recorder import Recorder
from amqpy.testing.vhost_recorder import VhostRecorder
from amqpy.testing.virtual_clock import VirtualClock


class WatchedBroker(Broker):
    """A broker. The time that it is given is that of the transports; for all else it looks at its clock."""

    _transport_now_ms = 0

    def __init__(self, *arguments: Any, clock: VirtualClock, recorder: Recorder, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self._clock = clock
        self._recorder = recorder
        recorder.begin(self.scheduler)
        self.events.observers.append(recorder.on_event)
        for vhost in self.vhosts.values():
            self._watch(vhost)
        self.vhosts.on_place = self._watch

    def _watch(self, vhost: Vhost) -> None:
        vhost.watch(VhostRecorder(self._recorder, vhost.name))

    def advance(self, now_ms: int) -> None:
        self._transport_now_ms = now_ms
        super().advance(self._clock.now_ms())

    @property
    def transport_now_ms(self) -> int:
        return self._transport_now_ms

    def acknowledge_all(self, portion: Sequence[Delivery]) -> None:
        self._recorder.answered("acked", portion)
        super().acknowledge_all(portion)

    def reject_all(self, portion: Sequence[Delivery]) -> None:
        self._recorder.answered("rejected", portion, requeue=False)
        super().reject_all(portion)

    def put_back(self, portion: list[Delivery], way: ReturnWay) -> None:
        if way in {"nack", "reject"}:
            self._recorder.answered("rejected", portion, requeue=True)
        else:
            self._recorder.answered("requeued", portion)
        super().put_back(portion, way)


class WatchedUsers(Users):
    """Users, whose logins a fault may refuse."""

    recorder: Recorder

    def log_in(self, name: str, password: bytes | None, *, from_loopback: bool) -> User:
        if self.recorder.faults.firing("login", Event("login", self.recorder.now_ms(), name=name)):
            raise LoginFailed(name, "refused by a fault of the test")
        return super().log_in(name, password, from_loopback=from_loopback)
