"""A connection of HTTP, by Hypercorn, which is over when the client has closed it.

Hypercorn's own waits for more requests until the keep-alive time is over, even if nobody is there who could send one.
"""

from hypercorn.trio.tcp_server import TCPServer


class HttpConnection(TCPServer):
    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()
