"""Views of connections by the stream protocol, in the form of the management API's JSON (see `core.views`), and of
connections by any protocol.

Source: `rabbit_stream_reader:infos`.
"""

from typing import TypeAlias

from amqpy.amqp import views
from amqpy.amqp.connection import ConnectionSession
from amqpy.core.views import View
from amqpy.stream.client import PROTOCOL
from amqpy.stream.connection import StreamSession

AnySession: TypeAlias = ConnectionSession | StreamSession
"""A connection by one of the protocols."""


def connection(session: AnySession) -> View:
    if isinstance(session, ConnectionSession):
        return views.connection(session)
    state = "blocked" if session.must_wait else views.STATES[session.state]
    return views.described(session, protocol=PROTOCOL.number, state=state, channels=0)
