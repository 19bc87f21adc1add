"""The content of a method while it is received: a header frame, then body frames until the announced size is there.

Source: AMQP 0-9-1 section 4.2.6; `rabbit_command_assembler`.
"""

from typing import Final

from amqpy.errors import AmqpFault, FrameFault, UnexpectedFrame
from amqpy.wire.content import read_header
from amqpy.wire.methods import AMQP_0_9_1, Basic
from amqpy.wire.scan import FLAGS_AT

PUBLISH_METHOD = AMQP_0_9_1.id_of(Basic.Publish)
"""Class and method id, which are the same in every version of AMQP."""

CONTENT_SIZE_MAX: Final = 512 * 1024 * 1024
"""The largest body size in bytes that a content header may announce (RabbitMQ's hard limit)."""


class Content:
    """A method whose content is being received: basic.publish, or one that will be refused."""

    __slots__ = ("_body", "_missing", "header", "method_id", "payload", "size")

    def __init__(self, payload: bytes, method_id: tuple[int, int] = PUBLISH_METHOD) -> None:
        self.payload = payload
        """The payload of the method frame."""
        self.method_id = method_id
        self.header: bytes | None = None
        """The payload of the header frame; None until it is there."""
        self.size = self._missing = 0
        self._body: list[bytes | memoryview] = []

    @property
    def is_whole(self) -> bool:
        return self.header is not None and not self._missing

    @property
    def body(self) -> bytes:
        return b"".join(self._body)

    def on_header(self, payload: bytes) -> None:
        """Takes a content header frame. Raises the fault that refuses it."""
        if self.header is not None:
            raise self.unexpected()
        if len(payload) < FLAGS_AT + 2:
            raise FrameFault("content header too short")
        class_id, weight, size = read_header(payload)
        wanted, _ = self.method_id
        if class_id != wanted or weight:
            raise self.blamed(
                UnexpectedFrame(
                    f"expected content header for class {wanted}, got one for class {class_id} instead"
                    if class_id != wanted
                    else f"expected content header for class {wanted}, got non content header frame instead"
                )
            )
        if size > CONTENT_SIZE_MAX:
            reason = f"content body size {size} exceeds maximum allowed size {CONTENT_SIZE_MAX}"
            raise self.blamed(FrameFault(reason))
        self.header = payload
        self.size = self._missing = size

    def on_body(self, payload: bytes | memoryview, size_max: int) -> None:
        """Takes a content body frame. Raises the fault that refuses it.

        Too large a message is refused when it is complete, as in RabbitMQ; until then there is no need to keep it.
        """
        if self.header is None:
            raise self.unexpected()
        self._missing -= len(payload)
        if self._missing < 0:
            raise self.blamed(FrameFault("content body frame exceeds remaining content size"))
        if self.size <= size_max:
            self._body.append(payload)

    def unexpected(self) -> AmqpFault:
        """The fault for any other frame than the next one of the content."""
        if self.header is None:
            reason = f"expected content header for class {self.method_id[0]}, got non content header frame instead"
        else:
            reason = "expected content body, got non content body frame instead"
        return self.blamed(UnexpectedFrame(reason))

    def blamed(self, fault: AmqpFault) -> AmqpFault:
        """The fault, with this method as its cause."""
        fault.method_id = self.method_id
        return fault
