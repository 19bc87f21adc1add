"""Channels of connections.

Source: `rabbit_mgmt_wm_channels`, `rabbit_mgmt_wm_channel`, `rabbit_mgmt_wm_channels_vhost`,
`rabbit_mgmt_wm_connection_channels`.
"""

from collections.abc import Iterable

import amqpy.management.resources.connections as connections
import amqpy.management.resources.consumers as consumers
from amqpy.amqp import views
from amqpy.amqp.channel import ChannelSession
from amqpy.management import access, erlang, pair_views
from amqpy.management.answers import bad_request, not_found
from amqpy.management.call import Call
from amqpy.management.lists import NAMES, Listing, View, Whole
from amqpy.management.router import Router
from amqpy.stream.views import AnySession


def own(call: Call) -> str | None:
    """The rule for one channel: whoever has it, or a monitor. Raises Refusal if there are no statistics."""
    consumers.check_stats(call)
    call.api.statistics.ranges(call.request.query)
    channel = find(call)
    return None if channel is None else connections.of_owner(call, channel.connection.user_name)


def add_to(router: Router) -> None:
    router.get("/channels", access.anyone)(list_channels)
    router.get("/vhosts/{vhost}/channels", access.of_vhost)(list_channels)
    router.get("/connections/{connection}/channels", connections.own)(list_channels_of_connection)
    router.get("/connections/{connection}/sessions", connections.own, feature="sessions")(list_sessions)
    router.get("/channels/{channel}", own)(show_channel)


# --- channels


def of_sessions(sessions: Iterable[AnySession]) -> list[ChannelSession]:
    """The open channels of connections, those of each in the order of their names."""
    return [
        channel
        for session in sessions
        for _, channel in sorted((str(number), channel) for number, channel in session.channels.items())
        if not channel.closing
    ]


def find(call: Call) -> ChannelSession | None:
    """The channel in the path, whose name is `<connection> (<number>)`."""
    connection, _, number = call.names["channel"].rpartition(" (")
    session = connections.find(call, connection)
    if session is None or not number.endswith(")") or not number[:-1].isdecimal() or len(number) > 6:
        return None
    channel = session.channels.get(int(number[:-1]))
    return None if channel is None or channel.closing or name_of(channel) != call.names["channel"] else channel


def name_of(channel: ChannelSession) -> str:
    return f"{channel.connection.terms.peer.name} ({channel.number})"


def view(call: Call, channel: ChannelSession) -> View:
    shown: View = {**views.channel(channel), **erlang.OF_PROCESS, "pending_raft_commands": 0}
    if not call.has("global_prefetch_count"):
        del shown["global_prefetch_count"]
    if call.has("cached_segments"):
        shown["cached_segments"] = 0
    return call.api.statistics.of_channel(shown, channel, call.request.query)


# --- handlers


def list_channels(call: Call) -> Listing:
    consumers.check_stats(call)
    call.api.statistics.ranges(call.request.query)
    return _listing(call, connections.visible(call))


def list_channels_of_connection(call: Call) -> Listing:
    """With statistics in any case."""
    return _listing(call, [connections.named(call)])


def _listing(call: Call, sessions: Iterable[AnySession]) -> Listing:
    """Those of all virtual hosts are there in pages."""
    paged = None if {"vhost", "connection"} & call.names.keys() else name_of
    return Listing(of_sessions(sessions), lambda channel: view(call, channel), paged=paged, by=NAMES)


def show_channel(call: Call) -> View:
    channel = find(call)
    if channel is None:
        raise not_found()
    details = [consumers.view(call, each) for each in channel.consumers.values()]
    return Whole({**view(call, channel), "consumer_details": details, **pair_views.of_channel(call, channel)})


def list_sessions(call: Call) -> list[View]:
    """Those of AMQP 1.0, which nobody speaks here. Raises Refusal."""
    connections.named(call)
    raise bad_request("connection does not use AMQP 1.0")
