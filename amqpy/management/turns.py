"""Calls in turns of the broker, for users who are not connected to it.

A call that begins large work (`core.jobs`) is over when that is done, and a change when it is durable.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from amqpy.core.durability.journal import Batch, Journal
from amqpy.core.ports import Client, Kind, TopicVerb, Verb, Verdict
from amqpy.core.principals import Principal, Undecided
from amqpy.errors import AdministrationError, AmqpFault
from amqpy.management.answers import Refusal, bad_request, missing, of_fault
from amqpy.management.lists import Change, go_on
from amqpy.server.reactor import Reactor

if TYPE_CHECKING:
    from amqpy.core.vhost import Vhost

Later: TypeAlias = Callable[[], object]
"""Makes the answer of a handler that has begun work, once that is done. May raise a `Refusal`."""


class WebClient(Client):
    """The user of one request, as the core needs it: one that owns nothing, and waits for its jobs."""

    pid = ""
    channel_count = 0

    def __init__(self, user: Principal) -> None:
        self.user = user
        self.made_name = ""
        self.vhost: Vhost | None = None
        """The virtual host that its operations are in."""
        self._at_work: trio.Event | None = None

    @property
    def user_name(self) -> str:
        return self.user.name

    def may(self, verb: Verb, kind: Kind, name: str) -> Verdict:
        assert self.vhost is not None
        return self.user.may(self.vhost, verb, kind, name)

    def may_use_topic(self, verb: TopicVerb, exchange: str, routing_key: str) -> Verdict:
        assert self.vhost is not None
        return self.user.may_use_topic(self.vhost, verb, exchange, routing_key)

    def on_alarm(self) -> None:
        pass

    def wait_for_work(self) -> None:
        self._at_work = trio.Event()

    def work_done(self) -> None:
        if self._at_work is not None:
            self._at_work.set()

    async def work_is_done(self) -> None:
        if self._at_work is not None:
            await self._at_work.wait()

    def close(self, text: str) -> None:
        pass


class Bug(Exception):
    """A bug that was met in a turn, which has noted it. The bug itself is the cause."""


class Turns:
    """Makes calls in turns of one broker. All of them raise Bug where they meet one."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._one_at_a_time = trio.Lock()
        """However many requests there are, one of them has a turn in a round of the event loop."""

    async def take(self, call: Callable[[], Any], user_name: str = "") -> Any:  # noqa: ANN401
        """Makes a call that changes nothing, when it is the turn of this request; then others have theirs. Raises
        Refusal or Undecided."""
        async with self._one_at_a_time:
            await trio.lowlevel.checkpoint()
            return self.look(call, user_name)

    def look(self, call: Callable[[], Any], user_name: str = "") -> Any:  # noqa: ANN401 - what the call returns
        """Makes a call that changes nothing. Raises Refusal or Undecided."""
        try:
            outcome = self._reactor.administer(partial(_outcome_of, call), user_name)
        except Exception as error:
            raise Bug from error
        if not isinstance(outcome, Exception):
            return outcome
        try:
            raise outcome
        finally:
            del outcome  # which refers to this frame

    def blame(self, error: Exception) -> None:
        """Notes what has ended a request, or what goes on beside them: a bug, and the end of the broker if it is
        `strict`."""
        if isinstance(error, Bug) and isinstance(error.__cause__, Exception):
            self._reactor.blame_request(error.__cause__, is_noted=True)
        else:
            self._reactor.blame_request(error)

    async def decide(self, call: Callable[[], Any], user_name: str = "") -> Any:  # noqa: ANN401
        """Makes a call, again and again until all that it must know has been asked for. Raises Refusal."""
        while True:
            try:
                return await self.take(call, user_name)
            except Undecided as undecided:
                question = undecided.question
            await question.ask(question.about)

    async def act(self, call: Callable[[], Any], client: WebClient) -> Any:  # noqa: ANN401
        """Makes a call that changes something, and waits until it is done and durable. Returns what the call does; of
        a function (`Later`), what that does after it. Raises Refusal."""
        jobs = self._reactor.broker.scheduler.jobs

        def on_behalf_of_client() -> object:
            jobs.client = client
            try:
                return call()
            finally:
                jobs.client = None

        try:
            outcome = await self.decide(on_behalf_of_client, client.user_name)
        finally:
            await client.work_is_done()
            await self._durable()
        return self.look(outcome) if callable(outcome) else outcome

    async def carry_out(self, change: Change, user_name: str) -> Any:  # noqa: ANN401
        """Makes a change bit by bit, no faster than the store can write it, and waits until it is durable. Returns what
        it comes to. Raises Refusal."""
        try:
            while await self.decide(partial(go_on, change.steps), user_name):
                await self._wait_for_store()
        finally:
            self.look(change.end)
        await self._durable()
        return change.result()

    async def _wait_for_store(self) -> None:
        flusher = self._reactor.flusher
        if flusher is not None and self._reactor.is_store_behind:
            with flusher.catching_up():
                await trio.sleep_forever()

    async def _durable(self) -> None:
        journal = self._reactor.broker.scheduler.journal
        if journal is not None and journal.is_awaited and (batch := _unwritten(journal)) is not None:
            waiter = _Waiter()
            batch.waiting[waiter] = None
            await waiter.told.wait()


class _Waiter:
    def __init__(self) -> None:
        self.told = trio.Event()

    def on_durable(self, number: int) -> None:
        self.told.set()


def _unwritten(journal: Journal) -> Batch | None:
    return journal.writing if journal.batch.is_empty else journal.batch


def _outcome_of(call: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Returns what a call returns, or the refusal that it raises: that is no bug, and ends the turn as any other."""
    try:
        return call()
    except (Refusal, Undecided) as refusal:
        return refusal
    except AmqpFault as fault:
        return of_fault(fault)
    except AdministrationError as error:
        if error.term is not None:
            return bad_request(error.term)
        return missing(error.text) if error.missing else bad_request(error.text)
