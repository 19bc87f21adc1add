"""The settings of queues and exchanges, and who says them: an argument, a policy, an operator policy."""

from collections.abc import Iterable, Iterator
from typing import Final

from amqpy.core.exchanges import Exchange
from amqpy.core.explaining.results import Saying, SettingTold
from amqpy.core.queues.queue import Queue
from amqpy.core.vhost import Vhost
from amqpy.wire.values import Table

BY_DEFAULT: Final = "by default"


def of_queue(
    vhost: Vhost, queue: Queue, name: str, value: int | str | None, more: Iterable[Saying] = ()
) -> SettingTold | None:
    """Tells a setting of a queue that has this value, and who says so; None if nobody does. `more` are others who have
    a say."""
    if value is None:
        return None
    return _told(value, [*more, *_sayings(vhost, queue, name, queue.arguments, f"x-{name}")])


def alternate_of(vhost: Vhost, exchange: Exchange) -> SettingTold | None:
    name, value = "alternate-exchange", exchange.alternate
    return None if value is None else _told(value, list(_sayings(vhost, exchange, name, exchange.arguments, name)))


def _told(value: int | str, sayings: list[Saying]) -> SettingTold:
    said = next((each for each in sayings if each.value == value), Saying(value, BY_DEFAULT))
    return SettingTold(value, said.said_by, tuple(each for each in sayings if each is not said))


def _sayings(vhost: Vhost, item: Queue | Exchange, name: str, arguments: Table, argument: str) -> Iterator[Saying]:
    if argument in arguments and isinstance(value := arguments[argument].value, int | str):
        yield Saying(value, f"argument {argument}")
    of_item, policies = item.policy, vhost.policies
    for kind, known, named in (
        ("policy", policies.policies, of_item.policy),
        ("operator policy", policies.operator_policies, of_item.operator_policy),
    ):
        policy = None if named is None else known.find(named)
        if policy is not None and name in policy.definition:
            yield Saying(policy.definition[name], f"{kind} {named!r}")
