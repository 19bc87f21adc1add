"""Celery: queues, exchanges and routes of an application's own."""

from celery.utils.nodenames import worker_direct
from checks import check, main, name_of
from kombu import Exchange, Queue, binding
from tasks import add, context, write
from workers import CONFIRMING, DEADLINE_S, application, celery, count_in, folder, lines_of, worker


@check("topology")
def topology():
    """Exchanges of all four types, one bound to another, and the queues that they lead to."""
    topic = Exchange(name_of("topic"), type="topic")
    fanout = Exchange(name_of("fanout"), type="fanout")
    direct = Exchange(name_of("direct"), type="direct", durable=False, auto_delete=True, delivery_mode="transient")
    headers = Exchange(name_of("headers"), type="headers")
    queues = [
        Queue(name_of("feeds"), topic, routing_key="feed.#"),
        Queue(name_of("imports"), topic, routing_key="*.import", max_length=100, expires=60),
        Queue(name_of("all"), fanout),
        Queue(name_of("red"), direct, routing_key="red", auto_delete=True, durable=False),
        Queue(name_of("both"), bindings=[binding(direct, routing_key="red"), binding(direct, routing_key="blue")]),
        Queue(name_of("large"), headers, binding_arguments={"x-match": "all", "size": "large", "kind": 1}),
    ]
    with application("topology", task_queues=queues, **CONFIRMING) as app, app.connection_for_write() as connection:
        channel = connection.default_channel
        for queue in queues:
            queue(channel).declare()
        fanout(channel).bind_to(topic, routing_key="feed.import")

        def arrived(exchange, routing_key, **options):
            """In which queues a task arrives; they are purged."""
            add.apply_async((1, 1), exchange=exchange.name, routing_key=routing_key, **options)
            counts = {queue.name: queue(channel).purge() for queue in queues}
            return {name.rpartition(".")[2] for name, count in counts.items() if count == 1}

        assert arrived(topic, "feed.news") == {"feeds"}
        assert arrived(topic, "data.import") == {"imports"}
        assert arrived(topic, "feed.import") == {"feeds", "imports", "all"}
        assert arrived(topic, "other") == set()
        assert arrived(fanout, "any") == {"all"}
        assert arrived(direct, "red") == {"red", "both"}
        assert arrived(direct, "blue") == {"both"}
        assert arrived(headers, "any", headers={"size": "large", "kind": 1}) == {"large"}
        assert arrived(headers, "any", headers={"size": "large"}) == set()
        queues[0](channel).unbind_from(topic, routing_key="feed.#")
        assert arrived(topic, "feed.news") == set()
        add.apply_async((1, 1), queue=queues[1].name)
        assert queues[1](channel).delete() == 1


@check("routes")
def routes():
    """Tasks find their queues by their names; the worker listens to one of them only."""
    settings = {
        "task_queues": [
            Queue(name_of("routes"), Exchange(name_of("routes")), routing_key="default"),
            Queue(name_of("slow"), Exchange(name_of("works"), type="topic"), routing_key="work.#"),
        ],
        "task_routes": {write.name: {"queue": name_of("slow"), "routing_key": "work.write", "priority": 3}},
    }
    with application("routes", **settings, **CONFIRMING) as app, folder() as place:
        write.delay(str(place / "lines"), "first")
        with worker(app, "--queues", app.main):
            assert add.delay(1, 1).get(timeout=DEADLINE_S) == 2
        assert count_in(app, name_of("slow")) == 1
        with worker(app, "--exclude-queues", app.main):
            assert lines_of(place / "lines", 1) == ["first"]
            told = context.apply_async(queue=name_of("slow"), routing_key="work.hard").get(timeout=DEADLINE_S)
            assert told["delivery"]["exchange"] == name_of("works")
            assert told["delivery"]["routing_key"] == "work.hard"


@check("missing queues")
def missing_queues():
    """A queue that is only named is made, of the type and with the exchange that the settings say."""
    with application("missing", task_create_missing_queue_exchange_type="topic", **CONFIRMING) as app:
        name = name_of("made.up")
        result = context.apply_async(queue=name)
        assert count_in(app, name) == 1
        with worker(app, "--queues", name):
            assert result.get(timeout=DEADLINE_S)["delivery"]["exchange"] == name


@check("broadcast")
def broadcast():
    """Every worker gets every task from a queue of its own, which goes with it."""
    with (
        application("broadcast", broadcasts=[name_of("news")]) as app,
        folder() as place,
        worker(app),
        worker(app),
        worker(app),
    ):
        write.apply_async((str(place / "news"), "heard"), queue=name_of("news"))
        assert lines_of(place / "news", 3) == ["heard"] * 3
        for number in range(9):
            write.apply_async((str(place / "work"), number))
        assert sorted(lines_of(place / "work", 9)) == [str(number) for number in range(9)]


@check("direct to a worker")
def direct_to_a_worker():
    with application("direct", worker_direct=True) as app, app.connection_for_write() as connection:
        with worker(app) as other, worker(app) as chosen:
            for _ in range(5):
                told = context.apply_async(queue=worker_direct(chosen.name)).get(timeout=DEADLINE_S)
                assert told["hostname"] == chosen.name
        for each in (chosen, other):
            worker_direct(each.name)(connection.default_channel).delete()
        connection.default_channel.exchange_delete(worker_direct(other.name).exchange.name)


@check("celery amqp and celery purge")
def command_line():
    with application("commands", **CONFIRMING) as app:
        queue, exchange = name_of("by.hand"), name_of("by.hand.exchange")
        celery(app, "amqp", "exchange.declare", exchange, "fanout")
        celery(app, "amqp", "queue.declare", queue)
        celery(app, "amqp", "queue.bind", queue, exchange, "")
        celery(app, "amqp", "basic.publish", "by hand", exchange, "any")
        assert "by hand" in celery(app, "amqp", "basic.get", queue)  # and not acknowledged
        assert "messages:1" in celery(app, "amqp", "queue.declare", queue)
        assert "'redelivered': True" in celery(app, "amqp", "basic.get", queue, "yes")
        celery(app, "amqp", "basic.publish", "again", exchange, "any")
        assert "1 messages deleted" in celery(app, "amqp", "queue.purge", queue)
        assert "0 messages deleted" in celery(app, "amqp", "queue.delete", queue)
        assert "OK" in celery(app, "amqp", "exchange.delete", exchange, "yes")
        assert "(404) NOT_FOUND" in celery(app, "amqp", "queue.purge", queue)
        for number in range(3):
            add.delay(number, number)
        assert "Purged 3 messages" in celery(app, "purge", "--force")
        assert count_in(app, app.main) == 0


main()
