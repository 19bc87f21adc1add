"""Handlers of channel.flow, basic.*, confirm.* and tx.*.

Source: AMQP 0-9-1 sections 1.5, 1.8 and 1.9; `rabbit_channel`.
"""

from collections import deque
from operator import itemgetter

from amqpy.amqp.channel import ChannelSession, handles
from amqpy.amqp.topology_methods import named_queue
from amqpy.amqp.transaction import Answers, Publish, Transaction, Verdict, all_answered, undelivered
from amqpy.core.checks import check_permission
from amqpy.core.jobs import Steps, sort
from amqpy.core.message import Target, deliver
from amqpy.core.portions import Taken
from amqpy.core.publishing import count_published, tell_refused
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.reply_to import REPLY_TO
from amqpy.core.unacked import Lots, in_lots
from amqpy.core.vhost import Vhost
from amqpy.errors import ChannelFault, NotAllowed, PreconditionFailed, ResourceError, Unimplemented
from amqpy.wire.content import DeliveryWriter
from amqpy.wire.methods import Basic, Channel, Confirm, Tx, table_of


class ConsumerTarget(DeliveryWriter):
    """The target of a consumer's deliveries: a `core.ports.DeliveryTarget`."""

    __slots__ = ("_channel", "_tag")

    def __init__(self, channel: ChannelSession, tag: str) -> None:
        super().__init__(channel.writer, tag)
        self._channel = channel
        self._tag = tag

    def cancelled(self) -> None:
        # A channel that is being closed has forgotten it already.
        is_known = self._channel.consumers.pop(self._tag, None) is not None
        if is_known and self._channel.connection.terms.client_can("consumer_cancel_notify"):
            self._channel.reply(Basic.Cancel, self._tag, True)


@handles(Channel.Flow)
def channel_flow(channel: ChannelSession, method: Channel.Flow) -> None:
    if not method.active:
        raise Unimplemented("active=false")
    channel.reply(Channel.FlowOk, True)


@handles(Basic.Qos)
def basic_qos(channel: ChannelSession, method: Basic.Qos) -> None:
    if method.prefetch_size:
        raise Unimplemented(f"prefetch_size!=0 ({method.prefetch_size})")
    if method.global_ and channel.broker.profile.global_qos:
        channel.unacked.set_limit(method.prefetch_count)
    else:
        channel.prefetch = method.prefetch_count
        channel.unacked.set_limit(0)
    channel.reply(Basic.QosOk)


@handles(Basic.Consume)
def basic_consume(channel: ChannelSession, method: Basic.Consume) -> None:
    tag = method.consumer_tag
    if tag in channel.consumers:
        raise NotAllowed(f"attempt to reuse consumer tag '{tag}'")
    consumer_max = channel.broker.config.consumer_max_per_channel
    if consumer_max is not None and len(channel.consumers) >= consumer_max:
        raise NotAllowed(f"reached maximum ({consumer_max}) of consumers per channel")
    if method.queue == REPLY_TO:
        _consume_replies(channel, method)
        return
    queue = named_queue(channel, method.queue)
    tag = tag or _new_tag(channel)
    channel.consumers[tag] = channel.broker.consume(
        channel.connection,
        channel.vhost,
        queue,
        channel.unacked,
        ConsumerTarget(channel, tag),
        tag=tag,
        no_ack=method.no_ack,
        exclusive=method.exclusive,
        prefetch=channel.prefetch,
        arguments=table_of(method.arguments),
    )
    if not method.nowait:
        channel.reply(Basic.ConsumeOk, tag)


def _consume_replies(channel: ChannelSession, method: Basic.Consume) -> None:
    if not method.no_ack:
        raise PreconditionFailed("reply consumer cannot acknowledge")
    if channel.replies is not None:
        raise PreconditionFailed("reply consumer already set")
    tag = method.consumer_tag or _new_tag(channel)
    target = ConsumerTarget(channel, tag)
    channel.replies = channel.broker.consume_replies(channel.vhost, channel.unacked, target, tag=tag)
    if not method.nowait:
        channel.reply(Basic.ConsumeOk, tag)


def _new_tag(channel: ChannelSession) -> str:
    return f"amq.ctag-{channel.broker.new_name()}"


@handles(Basic.Cancel)
def basic_cancel(channel: ChannelSession, method: Basic.Cancel) -> None:
    assert method.consumer_tag is not None
    if channel.replies is not None and channel.replies.tag == method.consumer_tag:
        channel.replies.finish()
        channel.vhost.remove_reply_queue(channel.replies)
        channel.replies = None
    elif (consumer := channel.consumers.pop(method.consumer_tag, None)) is not None:
        channel.broker.cancel(channel.vhost, consumer)
    if not method.nowait:
        channel.reply_after_work(Basic.CancelOk, method.consumer_tag)


@handles(Basic.Get)
def basic_get(channel: ChannelSession, method: Basic.Get) -> None:
    name = named_queue(channel, method.queue)
    queue = channel.vhost.queues.get(name)
    if queue is not None and queue.may_expire:
        # Now, because a job cannot be done again if that must be asked for.
        check_permission(channel.connection, channel.vhost, "read", "queue", name)
        channel.broker.scheduler.jobs.do(_get_unexpired(channel, queue, no_ack=method.no_ack))
    else:
        _get(channel, name, no_ack=method.no_ack)


def _get_unexpired(channel: ChannelSession, queue: Queue, *, no_ack: bool) -> Steps:
    yield from queue.expire()
    try:
        _get(channel, queue.name, no_ack=no_ack)
    except ChannelFault as fault:
        # The job may go on in a later turn, where there is no caller to raise it to.
        fault.method_id = channel.methods.id_of(Basic.Get)
        channel.connection.close_channel(channel.number, fault)


def _get(channel: ChannelSession, name: str, *, no_ack: bool) -> None:
    got = channel.broker.get(channel.connection, channel.vhost, name, channel.unacked, no_ack=no_ack)
    if got is None:
        channel.reply(Basic.GetEmpty, "")
        return
    tag, redelivered, message, count = got
    channel.writer.get_ok(tag, redelivered, message.address, count, message.header, message.body)


@handles(Basic.Ack)
def basic_ack(channel: ChannelSession, method: Basic.Ack) -> None:
    """Handles an ack that is out of place: those on fast channels do not come this far."""
    assert method.delivery_tag is not None
    channel.on_acks(([method.delivery_tag], int(method.multiple)))


@handles(Basic.Reject)
def basic_reject(channel: ChannelSession, method: Basic.Reject) -> None:
    _reject(channel, method.delivery_tag, "reject" if method.requeue else "drop", multiple=False)


@handles(Basic.Nack)
def basic_nack(channel: ChannelSession, method: Basic.Nack) -> None:
    _reject(channel, method.delivery_tag, "nack" if method.requeue else "drop", multiple=method.multiple)


def _reject(channel: ChannelSession, tag: int | None, verdict: Verdict, *, multiple: bool) -> None:
    assert tag is not None
    _check_return(channel, tag, multiple=multiple)
    taken = channel.unacked.withdraw(tag, multiple)
    if channel.transaction is not None:
        if verdict == "reject" and channel.broker.profile.quorum_counts_nacks:
            verdict = "nack"  # the same effect, so both are settled together
        channel.transaction.answer(verdict, taken)
    else:
        _carry_out(channel, verdict, taken)


def _check_return(channel: ChannelSession, tag: int, *, multiple: bool) -> None:
    """Checks that the queues take back what is covered, in profiles in which some do not."""
    unacked = channel.unacked
    if channel.broker.profile.stream_nacks or not unacked.has_streams:
        return
    for its_tag, (queue, *_) in unacked.by_tag.items():
        is_covered = its_tag == tag or (multiple and (not tag or its_tag < tag))
        if is_covered and isinstance(queue, Queue):
            queue.check_return()


def _carry_out(channel: ChannelSession, verdict: Verdict, taken: Taken | Lots) -> None:
    if verdict == "ack":
        channel.broker.acknowledge(taken, by_consumer=len(channel.consumers) > 1)
    elif verdict == "drop":
        channel.broker.reject(taken)
    else:
        channel.broker.requeue(taken, verdict)


@handles(Basic.RecoverAsync)
def basic_recover_async(channel: ChannelSession, method: Basic.RecoverAsync | Basic.Recover) -> None:
    if not method.requeue:
        raise Unimplemented("requeue=false")
    _check_return(channel, 0, multiple=True)
    channel.broker.requeue(channel.unacked.withdraw(0, multiple=True), "recover")


@handles(Basic.Recover)
def basic_recover(channel: ChannelSession, method: Basic.Recover) -> None:
    basic_recover_async(channel, method)
    channel.reply(Basic.RecoverOk)


@handles(Confirm.Select)
def confirm_select(channel: ChannelSession, method: Confirm.Select) -> None:
    if channel.transaction is not None:
        raise PreconditionFailed("cannot switch from tx to confirm mode")
    if channel.confirms is None:
        channel.confirms = channel.new_confirms()
    if not method.nowait:
        channel.reply(Confirm.SelectOk)


@handles(Tx.Select)
def tx_select(channel: ChannelSession, method: Tx.Select) -> None:
    if channel.confirms is not None:
        raise PreconditionFailed("cannot switch from confirm to tx mode")
    if channel.transaction is None:
        channel.transaction = Transaction(channel.broker.scheduler.jobs)
    channel.reply(Tx.SelectOk)


@handles(Tx.Commit)
def tx_commit(channel: ChannelSession, method: Tx.Commit) -> None:
    channel.broker.scheduler.jobs.do(_commit(channel, *_transaction(channel).end()))


def _commit(channel: ChannelSession, publishes: deque[Publish], answers: Answers) -> Steps:
    vhost = channel.vhost
    is_refused = False
    while publishes:
        publish = publishes.popleft()
        if vhost.profile.gone_ends_commit and (queue := _gone(vhost, publish.targets)) is not None:
            yield from _give_up(channel, queue, publishes, answers)
            return
        # Bindings applied when it was published. The queue is the one that has the name now, or must still be the same.
        routed = publish.targets
        if vhost.profile.deleted_fails_commit:
            routed = tuple(each for each in routed if not (each.deleted and each.refusal_fails_commit))
            is_refused = is_refused or len(routed) < len(publish.targets)
        found = (vhost.queues.get(each.name) if each.deleted else each for each in routed)
        targets = [target for target in found if target is not None]
        count_published(vhost, publish.exchange, targets, channel.origin, mandatory=publish.mandatory)
        channel.published += 1
        for watcher in vhost.watchers:
            watcher.committed(publish.message, targets, channel.origin)
        refused_by = deliver(targets, publish.message)
        if refused_by:
            tell_refused(vhost, publish.message, refused_by, channel.origin)
        is_refused = any(target.refusal_fails_commit for target in refused_by) or is_refused
        if vhost.router.is_unroutable(targets) and len(routed) == len(publish.targets):
            channel.on_unroutable(publish.message, mandatory=publish.mandatory)
        yield 1 + len(targets)
    for verdict, taken in answers:
        in_order = yield from sort(taken, itemgetter(0))
        lots = in_lots(in_order, len(taken))
        _carry_out(channel, verdict, channel.unacked.acknowledged(lots) if verdict == "ack" else lots)
    channel.broker.scheduler.jobs.then(lambda: _committed(channel, is_refused=is_refused))


def _gone(vhost: Vhost, targets: tuple[Target, ...]) -> str | None:
    """The first queue of whose name there is none any more, if any."""
    deleted = (each.name for each in targets if each.deleted and not each.is_reply_queue)
    return next((name for name in deleted if name not in vhost.queues), None)


def _give_up(channel: ChannelSession, queue: str, publishes: deque[Publish], answers: Answers) -> Steps:
    """Ends the connection amid a commit, which has delivered some messages and does no more."""
    channel.broker.scheduler.discarded.append(publishes)
    yield from channel.unacked.put_back_many(all_answered(answers))
    fault = ResourceError(undelivered(channel.vhost.name, queue), channel.methods.id_of(Tx.Commit))
    channel.broker.scheduler.jobs.then(lambda: channel.connection.fail(fault))


def _committed(channel: ChannelSession, *, is_refused: bool) -> None:
    if not is_refused:
        channel.connection.durable_replies.hold_until_durable(len(channel.connection.outbox.chunks))
        channel.reply(Tx.CommitOk)
    elif not channel.closing:
        fault = PreconditionFailed("partial tx completion", method_id=channel.methods.id_of(Tx.Commit))
        channel.connection.close_channel(channel.number, fault)


@handles(Tx.Rollback)
def tx_rollback(channel: ChannelSession, method: Tx.Rollback) -> None:
    _transaction(channel)
    channel.broker.scheduler.jobs.do(channel.unacked.put_back_many(channel.roll_back()))
    channel.reply_after_work(Tx.RollbackOk)


def _transaction(channel: ChannelSession) -> Transaction:
    if channel.transaction is None:
        raise PreconditionFailed("channel is not transactional")
    return channel.transaction
