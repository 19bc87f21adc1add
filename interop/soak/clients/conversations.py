"""pika: request and reply by direct reply-to; and listeners with a queue of their own at a topic exchange."""

from typing import Any

import pika

from interop.soak.clients.with_pika import LOSSES, TURN_S, Consumer, connected
from interop.soak.worker import Actor, Shift

REPLY_TO = "amq.rabbitmq.reply-to"
REPLY_PATIENCE_S = 10
REQUESTS_MAX = 200
WORDS = ("a", "b", "c")
PATTERNS = ("#", "*", "*.*", "a.#", "#.b", "*.b.*", "a.*.c", "b", "c.a")
NEWS = 40
LISTEN_PATIENCE_S = 20
PAUSE_S = 0.3


class Server(Consumer):
    """Answers requests with their text, turned round. What is asked is nobody's stream."""

    def came(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401
        told = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, body[::-1], told)
        channel.basic_ack(method.delivery_tag)


class Asker(Actor):
    """Sends requests, and waits for each reply. One that does not come is asked again on a new connection."""

    library = "pika"
    losses = LOSSES

    def __init__(self, shift: Shift, name: str, queue: str) -> None:
        super().__init__(shift, name)
        self.queue = queue
        self.asked = 0

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            channel = connection.channel()
            self.texts: dict[str, bytes] = {}
            self.answered: set[str] = set()
            channel.basic_consume(REPLY_TO, self.came, auto_ack=True)
            for _ in range(self.random.randint(1, REQUESTS_MAX)):
                if self.over.is_set() or not self.ask(connection, channel):
                    return
                connection.process_data_events(self.random.random() * PAUSE_S)

    def ask(self, connection: Any, channel: Any) -> bool:  # noqa: ANN401
        self.asked += 1
        number = str(self.asked)
        text = self.texts[number] = f"{self.name} {number} ".encode() + self.random.randbytes(
            self.random.randrange(2000)
        )
        channel.basic_publish("", self.queue, text, pika.BasicProperties(reply_to=REPLY_TO, correlation_id=number))
        for _ in range(round(REPLY_PATIENCE_S / TURN_S)):
            connection.process_data_events(TURN_S)
            if number in self.answered:
                self.shift.count("requests answered")
                return True
        self.shift.count("requests without a reply")
        return False

    def came(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401
        """One may come twice: the server was cut off when it had answered, and got the request again."""
        number = properties.correlation_id
        if self.texts.get(number) != body[::-1]:
            self.shift.findings.note("reply", f"{self.name}: {number} was answered with {body[:60]!r}")
        self.answered.add(number)


class Listener(Actor):
    """Binds a queue of its own to a topic exchange, publishes there, and gets what fits, once and in order."""

    library = "pika"
    losses = LOSSES

    def __init__(self, shift: Shift, name: str, exchange: str) -> None:
        super().__init__(shift, name)
        self.exchange = exchange

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
            patterns = self.random.sample(PATTERNS, self.random.randint(1, 3))
            root = f"{self.name}.{self.random.random()}".replace(".", "-")
            for pattern in patterns:
                channel.queue_bind(queue, self.exchange, f"{root}.{pattern}")
            received: list[bytes] = []
            channel.basic_consume(queue, lambda _c, _m, _p, body: received.append(body), auto_ack=True)
            channel.confirm_delivery()
            expected = []
            for number in range(NEWS):
                key = ".".join(self.random.choices(WORDS, k=self.random.randint(1, 3)))
                body = f"{key} {number}".encode()
                channel.basic_publish(self.exchange, f"{root}.{key}", body)
                if any(fits(pattern.split("."), key.split(".")) for pattern in patterns):
                    expected.append(body)
            for _ in range(round(LISTEN_PATIENCE_S / TURN_S)):
                if len(received) >= len(expected):
                    break
                connection.process_data_events(TURN_S)
            connection.process_data_events(0)
            if received != expected:
                what = f"{self.name}: {patterns} got {received}, not {expected}"
                self.shift.findings.note("routing", what[:2000])
            self.shift.count("news received", len(received))
        self.pause(PAUSE_S)


def fits(pattern: list[str], words: list[str]) -> bool:
    """Whether a topic binding matches a key."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(fits(pattern[1:], words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and fits(pattern[1:], words[1:])
