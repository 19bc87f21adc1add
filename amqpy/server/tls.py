"""TLS: a transport that encrypts what another one carries.

OpenSSL gets buffers in memory instead of the socket (`ssl.MemoryBIO`). So one receive decrypts all records that have
arrived, one send encrypts all that is to be sent, and neither waits: what holds for plain connections, reading on and
answers that leave in the turn that made them, holds here too (decision 25).

Source: RFC 8446; `rabbit_networking`, `ranch_ssl` for what each wrong peer sees.
"""

import logging
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias

import trio

from amqpy.amqp.peer_certificate import PeerCertificate
from amqpy.amqp.terms import TlsFacts, suite_of
from amqpy.server.certificates import Certificates
from amqpy.server.transport import RECEIVE_SIZE, Transport

RECORD_SIZE = 16 * 1024
"""The most plain bytes of a record, and so of one call of OpenSSL."""

ANSWERS_MAX = 64 * 1024
"""Bytes that OpenSSL may want to send of itself, to a peer that does not read: for every key that it is asked to
update, for example."""

UNEXPECTED_MESSAGE = bytes.fromhex("1503030002020a")
"""The alert for a peer that does not speak TLS, to which OpenSSL says nothing."""


NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "RECORD_LAYER_FAILURE"})
"""OpenSSL's reasons for that."""


Log: TypeAlias = logging.Logger | logging.LoggerAdapter[logging.Logger]


class HandshakeFailed(Exception):
    """A TLS connection that did not come about; the text is for the log."""


class TlsTransport:
    """The server's side of a TLS connection, over another transport. Call `do_handshake` first."""

    def __init__(self, inner: Transport, context: ssl.SSLContext, log: Log) -> None:
        self._inner = inner
        self._log = log
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = memoryview(b"")
        """Encrypted bytes that there was no room for."""
        self._encrypted_ahead = 0
        """1 if the first byte of what is sent next is in `_unsent` already, or was."""
        self._is_early = True
        """True until the first words were received, which may have come with the end of the handshake."""
        self._is_ended = False
        """True if the peer has said that nothing more will come."""

    async def do_handshake(self, turns: trio.Lock) -> TlsFacts:
        """Does the handshake, whose steps are long: one of all connections in a round of the event loop. Raises
        HandshakeFailed, when the peer has been told, or BrokenResourceError."""
        while True:
            try:
                async with turns:
                    self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._send_all()
                data = await self._inner.receive_some(RECEIVE_SIZE)
                if not data:
                    raise HandshakeFailed("the client ended the connection") from None
                self._incoming.write(data)
            except ssl.SSLError as error:
                if not self._outgoing.pending and error.reason in NO_TLS:
                    self._outgoing.write(UNEXPECTED_MESSAGE)
                await self._send_all()
                raise HandshakeFailed(reason_of(error)) from None
        await self._send_all()
        name, version, _ = self._tls.cipher() or ("", "", 0)
        raw = self._tls.getpeercert(binary_form=True)
        return TlsFacts(version.lower(), suite_of(name), None if raw is None else PeerCertificate(raw))

    # --- receiving

    @property
    def descriptor(self) -> int | None:
        return None if self._is_early or self._is_ended else self._inner.descriptor

    async def receive_some(self, max_bytes: int) -> bytes:
        data: bytes | None = None
        if self._is_early or self._is_ended:
            await trio.lowlevel.checkpoint()
            self._is_early = False
            data = self._decrypted()
        while data is None:
            data = self._decrypt(await self._inner.receive_some(max_bytes))
        return data

    def receive_nowait(self, max_bytes: int) -> bytes | None:
        data = self._inner.receive_nowait(max_bytes)
        return None if data is None else self._decrypt(data)

    def receive_within(self, seconds: float) -> bytes | None:
        data = self._inner.receive_within(seconds)
        return None if data is None else self._decrypt(data)

    def _decrypt(self, data: bytes) -> bytes | None:
        """Decrypts what was received, empty at the end; None if that was no whole record, or none for us."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return self._decrypted()

    def _decrypted(self) -> bytes | None:
        if self._is_ended:
            return b""
        records = []
        try:
            # All of them: nobody would be told of one that is left behind.
            while record := self._tls.read(RECORD_SIZE):
                records.append(record)
            self._is_ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # RabbitMQ does not tell the end of the stream from one that was announced, and many clients do not say it.
            self._is_ended = True
        except ssl.SSLError as error:
            self._flush()
            raise self._broken(reason_of(error)) from error
        if self._outgoing.pending:
            self._flush()
            if self._outgoing.pending > ANSWERS_MAX:
                raise self._broken("the client does not read what it asks for")
        return b"".join(records) if records or self._is_ended else None

    def _broken(self, reason: str) -> trio.BrokenResourceError:
        """Tells the log why, for whoever gets the error takes it for a client that is gone."""
        self._log.warning("TLS failed: %s", reason)
        return trio.BrokenResourceError(f"TLS: {reason}")

    # --- sending

    def send_nowait(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Encrypts all, if nothing is left of what was encrypted before. While that has not left as a whole, the last
        byte counts as not sent, so that nobody takes the connection for idle."""
        if not self._flush():
            return 0
        ahead, size = self._encrypted_ahead, 0
        try:
            for buffer in buffers:
                size += len(buffer)
                for start in range(ahead, len(buffer), RECORD_SIZE):
                    self._tls.write(memoryview(buffer)[start : start + RECORD_SIZE])
                ahead = max(ahead - len(buffer), 0)
        except ssl.SSLError as error:
            # Something that was received has put an end to both directions.
            raise trio.BrokenResourceError("TLS: nothing can be sent any more") from error
        self._encrypted_ahead = 0 if self._flush() else 1
        return size - self._encrypted_ahead

    async def send_some(self, buffers: Sequence[bytes | memoryview]) -> int:
        if self._unsent:
            size = await self._inner.send_some([self._unsent])
            self._unsent = self._unsent[size:]
        else:
            await trio.lowlevel.checkpoint()
        return self.send_nowait(buffers)

    def _flush(self) -> bool:
        """Sends what is encrypted, as far as there is room. True if nothing is left."""
        while self._unsent or self._outgoing.pending:
            if not self._unsent:
                self._unsent = memoryview(self._outgoing.read())
            size = self._inner.send_nowait([self._unsent])
            self._unsent = self._unsent[size:]
            if self._unsent:
                return False
        return True

    async def _send_all(self) -> None:
        while not self._flush():
            self._unsent = self._unsent[await self._inner.send_some([self._unsent]) :]

    # --- the end

    async def finish(self) -> None:
        if not self._tls.version():
            return
        with suppress(ssl.SSLError):  # it would wait for the peer's last word, too
            self._tls.unwrap()
        await self._send_all()
        await self._inner.finish()

    def close(self) -> None:
        self._inner.close()


class TlsHandshakes:
    """The handshakes of all connections."""

    def __init__(self, certificates: Certificates, timeout_s: float, log: logging.Logger) -> None:
        self.certificates = certificates
        self._timeout_s = timeout_s
        self._log = log
        self._turns = trio.Lock()
        """The steps of handshakes take a millisecond or more: others have their turn between two of them."""

    async def secure(self, inner: Transport, name: str) -> tuple[TlsTransport, TlsFacts] | None:
        """Does the handshake of a connection; None, and the connection is closed, if it fails or takes too long."""
        log = logging.LoggerAdapter(self._log, {"connection": name})
        transport = TlsTransport(inner, self.certificates.context, log)
        try:
            with trio.fail_after(self._timeout_s):
                return transport, await transport.do_handshake(self._turns)
        except trio.TooSlowError:
            log.warning("TLS handshake failed: it took more than %g s", self._timeout_s)
        except HandshakeFailed as failure:
            log.warning("TLS handshake failed: %s", failure)
        except trio.BrokenResourceError:
            log.warning("TLS handshake failed: the connection is lost")
        except BaseException:
            transport.close()
            raise
        transport.close()
        return None


def reason_of(error: ssl.SSLError) -> str:
    """The reason of an error in words, for the log."""
    reason = error.reason or str(error).partition(" (")[0].rpartition("] ")[2]
    if reason in NO_TLS:
        return "the client does not speak TLS"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate is refused: {error.verify_message}"
    if "ALERT" in reason:
        return f"the client refuses: {words(reason.partition('ALERT_')[2] or reason)}"
    return words(reason)


def words(reason: str) -> str:
    return reason.lower().replace("_", " ")
