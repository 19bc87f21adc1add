"""How an exchange shared messages out, where each broker may choose the queue: what must be so all the same."""

from interop.parity.script import Channel, Stage


def collect(channel: Channel, queues: list[str]) -> list[list[bytes]]:
    """The bodies each queue has, unrecorded: the two brokers share them out differently."""
    channel.settle(*queues)
    channel.connection.recording = False
    collected: list[list[bytes]] = []
    for queue in queues:
        collected.append([])
        while (reply := channel.get(queue, no_ack=True)) is not None and reply.method == "basic.get-ok":
            collected[-1].append(reply.body)
    channel.connection.recording = True
    return collected


def note_shares(stage: Stage, shares: list[list[bytes]]) -> None:
    """What must be so wherever each message went."""
    everything = sorted(body for share in shares for body in share)
    stage.note(f"{len(everything)} messages, {len(set(everything))} different ones")
    homes = {body: {number for number, share in enumerate(shares) if body in share} for body in everything}
    stage.note(f"equal ones together: {all(len(queues) == 1 for queues in homes.values())}")
    stage.note(f"in more than one queue: {sum(bool(share) for share in shares) > 1}")
