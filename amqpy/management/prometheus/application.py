"""Metrics over HTTP, as an ASGI application: without a login, on a listener of its own.

`/metrics` has sums over all objects, `/metrics/per-object` the numbers of each, `/metrics/detailed` those that are
asked for.

Source: `rabbit_prometheus_handler`, `rabbit_prometheus_dispatcher`.
"""

import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2s
from itertools import chain
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import trio

from amqpy.management import erlang
from amqpy.management.answers import Answer, not_found, now
from amqpy.management.call import Api
from amqpy.management.measures import Measures
from amqpy.management.prometheus.exposition import (
    CONTENT_TYPE,
    Family,
    Histogram,
    Number,
    head,
    in_pieces,
    labels,
    series,
)
from amqpy.management.prometheus.families import (
    ALARMS,
    AUTH_ATTEMPTS,
    AUTH_ATTEMPTS_DETAILED,
    DETAILED,
    GROUPS,
    OF_CLUSTER,
    QUEUE,
    TOTALS,
    Group,
    Source,
)
from amqpy.management.prometheus.global_families import AT_LEAST_ONCE, PROTOCOL, at_least_once, global_series
from amqpy.management.prometheus.own import LAG_BOUNDS_S, lines_of_amqpy
from amqpy.management.prometheus.readers import Rows
from amqpy.management.prometheus.scrape import Scrape, Wanted, lines_of, lines_of_one
from amqpy.management.statistics.kinds import churn_of
from amqpy.management.turns import Turns
from amqpy.version import __version__

PREFIX: Final = "rabbitmq_"
DETAILED_PREFIX: Final = "rabbitmq_detailed_"
CLUSTER_PREFIX: Final = "rabbitmq_cluster_"

PIECE: Final = 64 * 1024
"""Characters of the text that are made and sent at a time."""

OBJECTS: Final[tuple[Source, ...]] = ("queues", "channels", "connections")

BUILD_INFO: Final = Family("build_info", "untyped", "RabbitMQ & Erlang/OTP version info")
IDENTITY_INFO: Final = Family("identity_info", "untyped", "RabbitMQ node & cluster identity info")
STARTED: Final = Family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.")

Texts: TypeAlias = Callable[[], Awaitable[list[Iterable[str]]]]
"""Reads numbers, and returns the lines that show them."""


NO_ROWS: Final = Rows((), each=True)


class PrometheusApplication:
    """An ASGI application for the metrics of one broker, at a path and below it."""

    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._path = path.rstrip("/")
        self._turns = Turns(api.reactor)
        self._measures = Measures(api.reactor, api.unix_time_ms, api.started_at_ms)
        self._lag = Histogram(*LAG_BOUNDS_S)
        self._received_confirm = 0
        self._reading = trio.Lock()
        """One scrape reads at a time, so that many do not cost the broker more time than one does. To send may take as
        long as the other side wants."""

    def serves(self, path: str) -> bool:
        """True if metrics are at this path."""
        return is_below(path.rstrip("/"), self._path)

    async def run(self) -> None:
        """Beside the requests there is nothing to be done."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (those of ASGI)
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        method, path = scope["method"], scope["raw_path"].decode("latin-1").rstrip("/")
        below = path.removeprefix(self._path).strip("/") if self.serves(path) else None
        if below is None:
            await _send(not_found().answer, send)
        elif method not in {"GET", "HEAD"}:
            await _send(Answer(200 if method == "OPTIONS" else 405, headers={"allow": "HEAD, GET, OPTIONS"}), send)
        elif not accepts_text(headers.get("accept")):
            await _send(Answer(406), send)
        elif (scrape := self._scrape_of(below, scope["query_string"].decode("latin-1"))) is None:
            await _send(Answer(404, b"Unknown Registry", content_type="text/plain"), send)
        elif method == "HEAD":
            await _send(Answer(204), send)
        else:
            try:
                await self._answer(scrape, send, zips="gzip" in headers.get("accept-encoding", ""))
            except OSError:
                pass  # the other side is gone
            except Exception as error:
                # Without its end, the other side knows that something is missing.
                self._turns.blame(error)

    async def _answer(self, scrape: Texts, send: Any, *, zips: bool) -> None:  # noqa: ANN401
        try:
            async with self._reading:
                texts = await scrape()
        except Exception as error:
            self._turns.blame(error)
            await _send(Answer(500), send)
            return
        encoding = b"gzip" if zips else b"identity"
        headers = [(b"date", now().encode()), (b"content-type", CONTENT_TYPE.encode()), (b"content-encoding", encoding)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # The lowest level of compression: the event loop waits for it.
        zipped = zlib.compressobj(1, wbits=31) if zips else None
        for piece in in_pieces(chain.from_iterable(texts), PIECE):
            packed = piece if zipped is None else zipped.compress(piece)
            if packed:
                await send({"type": "http.response.body", "body": packed, "more_body": True})
            await trio.lowlevel.checkpoint()
        await send({"type": "http.response.body", "body": b"" if zipped is None else zipped.flush()})

    def _scrape_of(self, below: str, query: str) -> Texts | None:
        """Makes the text for a path below ours; None if there is none."""
        match below:
            case "":
                each = self._api.broker.config.prometheus_return_per_object_metrics
                return partial(self._all, "aggregated", each=each)
            case "per-object":
                return partial(self._all, "per-object", each=True)
            case "detailed":
                return partial(self._detailed, parse_qsl(query, errors="surrogateescape"))
            case "memory-breakdown":
                return self._memory
        return None

    # --- scrapes

    async def _all(self, endpoint: str, *, each: bool) -> list[Iterable[str]]:
        scrape = Scrape(self._api.broker, Wanted(OBJECTS, each))
        await self._read(scrape)
        numbers = self._turns.look(partial(self._numbers, scrape))
        is_default = endpoint == "aggregated"
        groups = (*GROUPS, TOTALS, ALARMS if is_default else AUTH_ATTEMPTS_DETAILED)
        return [
            self._info(endpoint),
            *(self._group(PREFIX, group, scrape, numbers) for group in groups),
            self._global(scrape),
            self._started() if is_default else (),
            lines_of_amqpy(self._api.reactor, self._measures, self._lag, scrape.paged_out),
        ]

    async def _detailed(self, query: Sequence[tuple[str, str]]) -> list[Iterable[str]]:
        asked = [value for name, value in query if name == "family"]
        groups = [group for name, group in DETAILED.items() if name in asked]
        vhosts = [value for name, value in query if name == "vhost"]
        wanted = Wanted({group.source for group in groups}, each=True, sizes=QUEUE in groups, vhosts=vhosts)
        scrape = Scrape(self._api.broker, wanted)
        await self._read(scrape)
        numbers = self._turns.look(partial(self._numbers, scrape))
        texts: list[Iterable[str]] = [self._info("detailed")]
        for group in groups:
            prefix = CLUSTER_PREFIX if group in OF_CLUSTER else DETAILED_PREFIX
            texts.append(self._group(prefix, group, scrape, numbers))
        return texts

    async def _memory(self) -> list[Iterable[str]]:
        family = Family("memory_rss_bytes", "gauge", "Memory that the process has of the system")
        lines = [head(PREFIX, family), series(PREFIX + family.name, "", self._measures.memory_used())]
        return [self._info("memory-breakdown"), lines]

    async def _read(self, scrape: Scrape) -> None:
        slices = scrape.read()
        while self._turns.look(partial(next, slices, slices)) is not slices:
            paused_at = trio.current_time()
            await trio.lowlevel.checkpoint()
            self._lag.observe(trio.current_time() - paused_at)

    def _numbers(self, scrape: Scrape) -> dict[str, Number]:
        """The numbers of the broker as a whole."""
        broker = self._api.broker
        vhosts, journal, short = list(broker.vhosts.values()), broker.scheduler.journal, broker.alarms.resources
        stored: dict[str, Number] = {}
        if journal is not None:
            stored = {
                "batches": journal.batch.number - 1,
                "stored": journal.added_count,
            }
        return {
            **churn_of(broker.events.counts, broker.vhosts.statistics.declared),
            **self._measures.changing(),
            **self._measures.input_output(),
            **self._measures.limits(),
            **stored,
            "connections": sum(len(vhost.clients) for vhost in vhosts),
            "channels": sum(len(vhost.channels) for vhost in vhosts),
            "queues": sum(len(vhost.queues) for vhost in vhosts),
            "consumers": scrape.consumers,
            "disk_alarm": int("disk" in short),
            "memory_alarm": int("memory" in short),
        }

    # --- texts

    def _info(self, endpoint: str) -> Iterator[str]:
        broker = self._api.broker
        version = broker.config.version or broker.profile.version
        about = labels(
            rabbitmq_version=version,
            prometheus_plugin_version=version,
            prometheus_client_version=__version__,
            erlang_version=erlang.VERSION,
        )
        identity = labels(
            rabbitmq_node=broker.node,
            rabbitmq_cluster=self._global_parameter("cluster_name") or broker.node,
            rabbitmq_cluster_permanent_id=self._global_parameter("internal_cluster_id") or cluster_id_of(broker.node),
            rabbitmq_endpoint=endpoint,
        )
        for family, of in ((BUILD_INFO, about), (IDENTITY_INFO, identity)):
            yield head(PREFIX, family)
            yield series(PREFIX + family.name, of, 1)

    def _global_parameter(self, name: str) -> str:
        parameters = self._api.broker.administration.global_parameters()
        found = next((each.value for each in parameters if each.name == name), "")
        return found if isinstance(found, str) else ""

    def _group(self, prefix: str, group: Group, scrape: Scrape, numbers: Mapping[str, Number]) -> Iterator[str]:
        if group is AUTH_ATTEMPTS:
            events = self._api.broker.events.counts
            succeeded = events.get("user.authentication.success", 0)
            failed = events.get("user.authentication.failure", 0)
            attempts = {"attempts": succeeded + failed, "succeeded": succeeded, "failed": failed}
            return lines_of_one(prefix, group, labels(protocol=PROTOCOL), attempts)
        if group.source == "node":
            return lines_of_one(prefix, group, "", numbers)
        return lines_of(prefix, group, scrape.rows.get(group.source, NO_ROWS))

    def _global(self, scrape: Scrape) -> Iterator[str]:
        stats = scrape.of_channels
        # A channel that is closed takes what was not confirmed with it. A counter must not fall.
        self._received_confirm = max(self._received_confirm, stats.get("confirm", 0) + scrape.unconfirmed)
        routed = sum(count for (_, name), count in scrape.of_queues.items() if name == "publish")
        protocol = {
            **stats,
            "publish_confirm": self._received_confirm,
            "routed": routed,
            "publishers": scrape.publishers,
            "consumers": scrape.consumers,
        }
        # What no queue takes is sent again until one does, so that all of these are confirmed in the end.
        confirmed = ("quorum", f"dead_lettered_{AT_LEAST_ONCE}_confirmed")
        of_queues = {**scrape.of_queues, confirmed: at_least_once(scrape.of_queues)}
        prefix = f"{PREFIX}global_"
        for several in global_series(protocol, of_queues):
            yield head(prefix, several[0].family)
            for family, of, value in several:
                yield series(prefix + family.name, of, value)

    def _started(self) -> Iterator[str]:
        yield head("", STARTED)
        yield series(STARTED.name, "", int(self._measures.process_started_at_s()))


def is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def accepts_text(accepted: str | None) -> bool:
    if accepted is None:
        return True
    ranges = {each.partition(";")[0].strip().lower() for each in accepted.split(",")}
    return bool(ranges & {"*/*", "text/*", "text/plain"})


def cluster_id_of(node: str) -> str:
    """A name that no other cluster has, and that stays the same."""
    digest = blake2s(node.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return f"rabbitmq-cluster-id-{digest}"


async def _send(answer: Answer, send: Callable[[Any], Any]) -> None:
    body = answer.body
    headers = [(name.encode(), value.encode()) for name, value in {"date": now(), **answer.headers}.items()]
    if answer.value is not None:
        headers.append((b"content-type", answer.content_type.encode()))
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
