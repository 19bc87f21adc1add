"""Direct replies: none is ever dropped, however late it is read."""

from interop.matrix.peer import Heard, Peer
from interop.matrix.registry import feature
from interop.matrix.scene import Scene

REPLY_TO = "amq.rabbitmq.reply-to"


def server(scene: Scene, size: int) -> tuple[Peer, str]:
    """Somebody who answers each request with a message of this size, of the same number."""
    queue = scene.queue("requests")
    peer = scene.peer("server")

    def answer(heard: Heard) -> None:
        peer.publish(int(heard.number), size, heard.reply_to)

    scene.consume(peer, queue, no_ack=True)
    peer.on_content = answer
    return peer, queue


def ask(peer: Peer, queue: str, number: int, size: int) -> None:
    peer.publish(number, size, queue, reply_to=REPLY_TO)


@feature
def replies(scene: Scene) -> None:
    """A requester reads its replies when it likes; another is answered meanwhile."""
    answering, queue = server(scene, scene.size)
    requester, other = scene.reader("requester"), scene.peer("other")
    scene.consume(requester, REPLY_TO, no_ack=True)
    scene.consume(other, REPLY_TO, no_ack=True)
    scene.begin()
    scene.send_each(requester, lambda number: ask(requester, queue, number, 10), scene.count)
    scene.gather(answering, scene.count)
    ask(other, queue, 1, 10)
    scene.gather(other, 1)
    scene.until(lambda: answering.has_written, "the server to have written")
    scene.release()
    scene.gather(requester, scene.count)


@feature
def requests(scene: Scene) -> None:
    """A server reads large requests when it likes, and answers each."""
    queue = scene.queue("requests")
    answering, requester = scene.reader("server"), scene.peer("requester")
    scene.consume(answering, queue, prefetch=scene.count)
    answering.on_content = lambda heard: answering.publish(int(heard.number), 10, heard.reply_to)
    scene.consume(requester, REPLY_TO, no_ack=True)
    scene.begin()
    scene.send_each(requester, lambda number: ask(requester, queue, number, scene.size), scene.count)
    if not answering.reads:
        scene.until_ready(queue, 0, tell=False)
    scene.release()
    scene.gather(requester, scene.count)
    answering.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def large_both_ways(scene: Scene) -> None:
    """Requests and replies are large, and the requester writes all of them before it reads."""
    answering, queue = server(scene, scene.size)
    requester = scene.reader("requester")
    scene.consume(requester, REPLY_TO, no_ack=True)
    scene.begin()
    scene.send_each(requester, lambda number: ask(requester, queue, number, scene.size), scene.count)
    scene.gather(answering, scene.count)
    scene.until(lambda: answering.has_written, "the server to have written")
    scene.release()
    scene.gather(requester, scene.count)


@feature
def one_connection(scene: Scene) -> None:
    """Who asks and who answers are channels of one connection; it writes all replies before it reads one."""
    queue = scene.queue("requests")
    both = scene.reader("both")
    scene.call(both, "channel.open", on=2)
    scene.consume(both, REPLY_TO, no_ack=True)
    scene.consume(both, queue, "requests", on=2, no_ack=True)
    ask(both, queue, 1, 10)
    scene.gather(both, 1)
    reply_to = both.heard[-1].reply_to
    scene.begin()
    scene.send_each(both, lambda number: both.publish(number, scene.size, reply_to, on=2), scene.count)
    scene.release()
    scene.gather(both, 1 + scene.count)
