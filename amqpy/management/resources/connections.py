"""Connections: clients that have entered a virtual host.

Source: `rabbit_mgmt_wm_connections`, `rabbit_mgmt_wm_connection`, `rabbit_mgmt_wm_connections_vhost`,
`rabbit_mgmt_wm_connection_user_name`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from amqpy.core.vhost import Vhost
from amqpy.management import access, erlang
from amqpy.management.answers import DONE, Answer, not_found
from amqpy.management.call import Call
from amqpy.management.lists import NAMES, Listing, View, Whole
from amqpy.management.router import Router
from amqpy.stream import views
from amqpy.stream.views import AnySession

REASON: Final = "Closed via management plugin"
"""The reason that a client is told, unless there is another in the header `X-Reason`."""


def own(call: Call) -> str | None:
    """The rule for one connection and its channels: whoever has it, a monitor, and to close it an administrator. Raises
    Refusal for samples that cannot be."""
    if not call.without_stats:
        call.api.statistics.ranges(call.request.query)
    session = find(call, call.names["connection"])
    return None if session is None else of_owner(call, session.user_name)


def own_by_name(call: Call) -> str | None:
    return of_owner(call, call.names["user"])


def of_owner(call: Call, owner: str) -> str | None:
    may_all = call.is_administrator if call.request.method == "DELETE" else call.is_monitor
    return None if may_all or call.user.name == owner else access.NO_OBJECT_ACCESS


def add_to(router: Router) -> None:
    router.get("/connections", access.anyone)(list_connections)
    router.get("/vhosts/{vhost}/connections", access.of_vhost)(list_connections_of_vhost)
    router.get("/connections/username/{user}", own_by_name)(list_connections_of_user)
    router.delete("/connections/username/{user}", own_by_name)(close_connections_of_user)
    router.get("/connections/{connection}", own)(show_connection)
    router.delete("/connections/{connection}", own)(close_connection)


# --- connections


def sessions(vhosts: Iterable[Vhost]) -> Iterator[AnySession]:
    """The connections in these virtual hosts."""
    for vhost in vhosts:
        for client in vhost.clients:
            if isinstance(client, AnySession):
                yield client


def visible(call: Call) -> list[AnySession]:
    """The connections that a list is about, in the order of their virtual hosts and names. A user who is no monitor
    sees its own ones only, wherever they are."""
    found: list[AnySession] = []
    for vhost in call.vhosts_of_clients():
        shown = (each for each in sessions([vhost]) if call.is_monitor or each.user_name == call.user.name)
        found += sorted(shown, key=name_of)
    return found


def find(call: Call, name: str) -> AnySession | None:
    return next((each for each in sessions(call.broker.vhosts.values()) if name_of(each) == name), None)


def named(call: Call) -> AnySession:
    """The connection in the path. Raises Refusal."""
    session = find(call, call.names["connection"])
    if session is None:
        raise not_found()
    return session


def name_of(session: AnySession) -> str:
    return session.terms.peer.name


# --- views


def view(call: Call, session: AnySession) -> View:
    shown: View = {**views.connection(session), **erlang.OF_PROCESS}
    if "peer_cert_serial_number" in call.broker.profile.more_event_properties:
        shown.setdefault("peer_cert_serial_number")
    return call.api.statistics.of_connection(shown, session, call.request.query)


def reference(call: Call, session: AnySession) -> View:
    """The least that is told of a connection."""
    return {
        "name": name_of(session),
        "vhost": "" if session.vhost is None else session.vhost.name,
        "user": session.user_name,
        "node": call.broker.node,
    }


# --- handlers


def list_connections(call: Call) -> Listing:
    if not call.without_stats:
        call.api.statistics.ranges(call.request.query)
    shows = reference if call.without_stats else view
    return Listing(visible(call), lambda session: shows(call, session), paged=name_of, by=NAMES)


def list_connections_of_vhost(call: Call) -> Listing:
    """Never in pages, and with statistics in any case."""
    call.api.statistics.ranges(call.request.query)
    return Listing(visible(call), lambda session: view(call, session), by=NAMES)


def show_connection(call: Call) -> View:
    session = named(call)
    if call.without_stats:
        return {"name": name_of(session)}
    # What is not there is null in lists only.
    return Whole({key: "" if value is None else value for key, value in view(call, session).items()})


def list_connections_of_user(call: Call) -> Listing:
    return Listing(_of_user(call), lambda session: reference(call, session), paged=name_of, by=NAMES)


def close_connection(call: Call) -> Answer:
    _close(call, named(call))
    return DONE


def close_connections_of_user(call: Call) -> Answer:
    for session in _of_user(call):
        _close(call, session)
    return DONE


def _of_user(call: Call) -> list[AnySession]:
    user = call.names["user"]
    return sorted((each for each in sessions(call.broker.vhosts.values()) if each.user_name == user), key=name_of)


def _close(call: Call, session: AnySession) -> None:
    reason = call.request.headers.get("x-reason") or REASON
    # A client's library might not be able to read what is no UTF-8.
    session.close(reason.encode("latin-1").decode(errors="replace"))
