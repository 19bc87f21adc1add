"""Log records that a topic exchange routes by their logger and level."""

import contextlib
import json
import logging

import pika
from checks import URL, check, cut, force_close, main, name_of
from python_logging_rabbitmq import RabbitMQHandler, RabbitMQHandlerOneWay

TIMEOUT_S = 30
EXCHANGE = name_of("log")
PARAMETERS = pika.URLParameters(URL)


@contextlib.contextmanager
def logging_by(handler_class, **options):
    handler = handler_class(
        host=PARAMETERS.host,
        port=PARAMETERS.port,
        username=PARAMETERS.credentials.username,
        password=PARAMETERS.credentials.password,
        exchange=EXCHANGE,
        declare_exchange=True,
        **options,
    )
    logger = logging.getLogger("shop")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def consuming(*keys):
    """What gets records out of a queue that is bound with these keys."""
    with pika.BlockingConnection(PARAMETERS) as connection:
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        queue = channel.queue_declare("", exclusive=True).method.queue
        for key in keys:
            channel.queue_bind(queue, EXCHANGE, key)

        def received(count):
            arrived = []
            for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=TIMEOUT_S):
                assert method, f"{len(arrived)} of {count} records"
                arrived.append((method.routing_key, properties, json.loads(body)))
                if len(arrived) == count:
                    return arrived

        yield received
        channel.exchange_delete(EXCHANGE)


@check("records")
def records():
    options = {"fields": {"source": "interop"}, "message_headers": {"tenant": "a"}, "content_type": "application/json"}
    with consuming("#") as received, logging_by(RabbitMQHandler, **options) as logger:
        logger.warning("%d left of %s", 3, "tea", extra={"item": "tea"})
        ((key, properties, record),) = received(1)
        assert key == "shop.WARNING"
        assert (properties.delivery_mode, properties.content_type) == (2, "application/json")
        assert properties.headers == {"tenant": "a"}
        assert record["msg"] == "3 left of tea" and record["item"] == "tea" and record["source"] == "interop", record


@check("routing by level")
def routing():
    with consuming("*.ERROR", "shop.CRITICAL") as received, logging_by(RabbitMQHandler) as logger:
        for number in range(100):
            logger.debug("debug %d", number)
            logger.error("error %d", number)
        logger.critical("the last")
        keys = [key for key, _, _ in received(101)]
        assert keys == ["shop.ERROR"] * 100 + ["shop.CRITICAL"]


@check("one connection for each record")
def closed_after_each():
    with consuming("#") as received, logging_by(RabbitMQHandler, close_after_emit=True) as logger:
        for number in range(20):
            logger.info("number %d", number)
        assert [record["msg"] for _, _, record in received(20)] == [f"number {number}" for number in range(20)]


@check("a thread of its own")
def one_way():
    with consuming("#") as received, logging_by(RabbitMQHandlerOneWay) as logger:
        for number in range(500):
            logger.info("number %d", number)
        assert [record["msg"] for _, _, record in received(500)] == [f"number {number}" for number in range(500)]


def goes_on_after(interrupt):
    """The handler connects again; what it could not publish is lost."""
    with logging_by(RabbitMQHandler) as logger:
        with consuming("#") as received:
            logger.info("before")
            assert len(received(1)) == 1
        interrupt()
        with consuming("#") as received:
            for number in range(10):
                logger.info("number %d", number)
            while received(1)[0][2]["msg"] != "number 9":
                pass


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    goes_on_after(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    goes_on_after(cut)


main()
