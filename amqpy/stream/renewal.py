"""The renewal of a secret, such as a token, on an open connection.

Source: `rabbit_stream_reader:handle_frame_post_auth` of sasl_authenticate.
"""

from amqpy.core.principals import Principal, Question
from amqpy.core.users import LoginFailed
from amqpy.errors import LoginRefused, SyntaxFault
from amqpy.stream.commands import StreamClient, handles
from amqpy.stream.terms import Refused
from amqpy.wire.stream_frames import Code, Key


@handles(Key.SASL_AUTHENTICATE)
def renew(client: StreamClient, correlation: int, mechanism: str, response: bytes | None) -> None:
    """Logs in again, as the same user by the same mechanism. A client that may not stays what it was."""
    login = client.login
    if mechanism != client.terms.mechanism_name:
        raise Refused(Code.SASL_CANNOT_CHANGE_MECHANISM)
    login.choose(mechanism)
    try:
        answer = login.respond(response or b"")
    except SyntaxFault:
        raise Refused(Code.SASL_ERROR) from None
    except LoginRefused:
        raise Refused(Code.AUTHENTICATION_FAILURE) from None
    if isinstance(answer, Question):
        client.ask(answer, lambda found: _conclude(client, correlation, found))
    elif isinstance(answer, bytes):
        raise Refused(Code.SASL_ERROR)
    else:
        _renewed(client, correlation, answer)


def _conclude(client: StreamClient, correlation: int, found: str | Principal | LoginFailed) -> None:
    try:
        _renewed(client, correlation, client.login.conclude(found))
    except LoginRefused:
        client.answer(Key.SASL_AUTHENTICATE, correlation, Code.AUTHENTICATION_FAILURE)


def _renewed(client: StreamClient, correlation: int, user: Principal) -> None:
    vhost, before = client.vhost, client.user
    assert vhost is not None
    assert before is not None
    if user.name != before.name:
        client.answer(Key.SASL_AUTHENTICATE, correlation, Code.SASL_CANNOT_CHANGE_USERNAME)
        return
    before.clients.pop(client, None)
    client.user = user
    user.clients[client] = None
    client.note_expiry()
    client.answer(Key.SASL_AUTHENTICATE, correlation)
    client.recheck()
