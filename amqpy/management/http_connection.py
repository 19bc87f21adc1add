"""A connection of HTTP, by Hypercorn, but for two things.

It is over when the client has closed it: Hypercorn's own waits for more requests until the keep-alive time is over,
even if nobody is there who could send one. And its answers name their status, as RabbitMQ's do: there are clients that
show the name to people, or look for it.
"""

from http import HTTPStatus
from typing import Any, Final

import h11
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer

NAMES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class NamingConnection(h11.Connection):
    def send(self, event: h11.Event) -> Any:  # noqa: ANN401 - octets, or None, by what is sent
        data = super().send(event)
        if data and isinstance(event, h11.Response | h11.InformationalResponse):
            # The first line is the first place where a space comes before the end of a line.
            return data.replace(b" \r\n", b" %s\r\n" % NAMES.get(event.status_code, b""), 1)
        return data


class HttpConnection(TCPServer):
    async def _read_data(self) -> None:
        if isinstance(protocol := self.protocol.protocol, H11Protocol):
            head_max = self.config.h11_max_incomplete_size
            protocol.connection = NamingConnection(h11.SERVER, max_incomplete_event_size=head_max)
        await super()._read_data()
        await self.idle_task.stop()
