"""Publisher confirms that may be withheld, sent late or turned into refusals."""

from amqpy.core.confirms import Confirm, Confirms
from amqpy.testing.events import Event
from amqpy.testing.ports import WatchedPublisher


class WatchedConfirms(Confirms):
    """The confirms of a channel: each that leaves is recorded."""

    def __init__(self, channel: WatchedPublisher) -> None:
        super().__init__()
        self._channel = channel
        self._published: dict[int, Event] = {}
        """The messages that were not confirmed yet, by their tags."""
        self._held: dict[int, Confirm | None] = {}
        """The tags whose confirms are withheld, and the confirms once they are due."""
        self._last = 0
        """The last tag that was due."""

    def expect(self, event: Event, *, held: bool) -> int:
        """Notes the message that is being published, and if its confirm is withheld; returns its tag."""
        tag = self.last_tag + 1
        self._published[tag] = event
        if held:
            self._held[tag] = None
        return tag

    def take(self, durable: int | None = None) -> list[Confirm]:
        told: list[Confirm] = []
        for confirm in super().take(durable):
            first = self._last + 1 if confirm.multiple else confirm.tag
            tags = range(first, confirm.tag + 1)
            self._last = confirm.tag
            if not self._held:
                told.append(confirm)
            else:
                for tag in tags:
                    single = Confirm(tag, multiple=False, nack=confirm.nack)
                    if tag in self._held:
                        self._held[tag] = single
                    else:
                        told.append(single)
            for tag in tags:
                if tag not in self._held:
                    self._tell(tag, nack=confirm.nack)
        return told

    def release(self, tag: int) -> None:
        """Sends a confirm that was withheld, now or when it is due."""
        confirm = self._held.pop(tag, None)
        if confirm is not None and self._channel.is_open:
            self._tell(tag, nack=confirm.nack)
            self._channel.send_confirm(confirm)

    @property
    def withheld_count(self) -> int:
        return len(self._held)

    def _tell(self, tag: int, *, nack: bool) -> None:
        event = self._published.pop(tag, None)
        if event is not None:
            self._channel.note_confirmed(event, tag, nack=nack)
