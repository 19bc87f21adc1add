"""Groups of consumers of one stream of which a single one is active.

The first to join is active until it leaves; then the next one is. In a super stream it is the one whose number is that
of the partition, modulo the number of members: so the partitions are shared out, anew whenever one joins or leaves. Who
is active and shall not be any more is told first; only when it has answered, the other one is.

Source: `rabbit_stream_sac_coordinator`.
"""

from typing import Protocol


class Member(Protocol):
    """A consumer of a group. Compared by identity."""

    def update(self, *, is_active: bool) -> None:
        """Is told to become active or inactive. It answers by `Group.answered`."""


class Group:
    """The consumers that share a name, in the order in which they joined; true while there are any."""

    def __init__(self, partition: int | None) -> None:
        """`partition` is the number of the stream in its super stream, or None."""
        self.members: list[Member] = []
        self.active: Member | None = None
        """The one that is active, or was told to become so."""
        self._partition = partition
        self._is_leaving = False
        """True if the active one was told to become inactive, and has not answered."""

    def __bool__(self) -> bool:
        return bool(self.members)

    def join(self, member: Member) -> None:
        self.members.append(member)
        self._settle()

    def leave(self, member: Member) -> None:
        self.members.remove(member)
        if member is self.active:
            self.active, self._is_leaving = None, False
        self._settle()

    def answered(self, member: Member) -> bool:
        """Takes the answer of a member to an update. True if it is active now."""
        if member is not self.active:
            return False
        if not self._is_leaving:
            return True
        self.active, self._is_leaving = None, False
        self._settle()
        return False

    def _settle(self) -> None:
        """Tells who must be told."""
        if not self.members or self._is_leaving:
            return
        if self._partition is not None:
            wanted = self.members[self._partition % len(self.members)]
        else:
            wanted = self.members[0] if self.active is None else self.active
        if self.active is wanted:
            return
        if self.active is not None:
            self._is_leaving = True
            self.active.update(is_active=False)
        else:
            self.active = wanted
            wanted.update(is_active=True)
