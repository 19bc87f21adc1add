"""All virtual hosts of a broker.

Source: `rabbit_vhost:add`.
"""

from collections.abc import Callable

from amqpy.config import Config
from amqpy.core.arguments import CLASSIC
from amqpy.core.durability import encoding
from amqpy.core.events import event_properties
from amqpy.core.events.events import EVENT_EXCHANGE, Events
from amqpy.core.exchanges.topic import TopicExchange
from amqpy.core.scheduler import Scheduler
from amqpy.core.statistics import BrokerStatistics
from amqpy.core.vhost import Vhost
from amqpy.core.vhost_metadata import Metadata


class Vhosts(dict[str, Vhost]):
    """The virtual hosts by their names. The default one has the exchange of events."""

    def __init__(self, config: Config, scheduler: Scheduler, events: Events, choose: Callable[[int], int]) -> None:
        super().__init__()
        self.profile = config.switches
        self.statistics = BrokerStatistics()
        self._config = config
        self._scheduler = scheduler
        self._events = events
        self._choose = choose
        self.on_place: Callable[[Vhost], object] = lambda vhost: None
        """Is called with each virtual host that is new here."""

    @property
    def default_metadata(self) -> Metadata:
        """The metadata of a new virtual host unless given. A default queue type of classic is left out."""
        kind = self._config.default_queue_type
        return Metadata(default_queue_type=None if kind == CLASSIC else kind)

    def place(self, name: str, metadata: Metadata) -> Vhost:
        """Puts a virtual host in its place that was there before the broker started."""
        vhost = self[name] = Vhost(name, self._scheduler, self._events, self.profile, self._choose, self.statistics)
        vhost.metadata = metadata
        if self._config.management_rates_mode == "detailed":
            vhost.count_pairs()
        if name == self._config.default_vhost:
            self._events.exchange = TopicExchange(vhost, EVENT_EXCHANGE, durable=True, internal=True, arguments={})
            vhost.exchanges[EVENT_EXCHANGE] = self._events.exchange
        self.on_place(vhost)
        return vhost

    def add(self, name: str, metadata: Metadata) -> Vhost:
        """Creates a virtual host: records it, and tells its exchanges as events."""
        vhost = self.place(name, metadata)
        self._scheduler.put(encoding.of_vhost(name, metadata))
        for exchange in vhost.exchanges.values():
            self._events.tell("exchange.created", event_properties.of_exchange, exchange, self._events.administrator)
        return vhost
