"""KEDA's scaler for RabbitMQ (protocol `http`): the length of a queue, or how fast is published, of one or of several.

Source: `getQueueInfoViaHTTP`, `getJSON` and `getComposedQueue` of its rabbitmq_scaler.go.
"""

from urllib.parse import quote_plus

from checks import check, main
from management import ask
from work import MONITOR, PREFETCHED, PUBLISHED, QUEUES, SECRET, VHOST, begin, end, look

begin()
OF_VHOST = f"/api/queues/{quote_plus(VHOST)}"
PAGE = "page=1&use_regex=true&pagination=false"


def lengths(queue, *, without_unacknowledged=False):
    """`excludeUnacknowledged` counts what is ready."""
    value = queue["messages_ready" if without_unacknowledged else "messages"]
    assert isinstance(value, int)
    return value


def rate(queue):
    """0 where nothing was ever published: there are no statistics then."""
    value = queue.get("message_stats", {}).get("publish_details", {}).get("rate", 0.0)
    assert isinstance(value, float | int)
    return value


def matching(pattern, vhost=OF_VHOST, size=100):
    told = look(f"{vhost}?{PAGE}&name={quote_plus(pattern)}&page_size={size}")
    assert told["page_count"] <= 1, "KEDA refuses to scale by a part of the queues"
    return told["items"]


@check("QueueLength")
def length():
    for name in QUEUES:
        queue = look(f"{OF_VHOST}/{quote_plus(name)}")
        assert queue["name"] == name
        assert lengths(queue) == PUBLISHED
        assert lengths(queue, without_unacknowledged=True) == PUBLISHED - PREFETCHED
        assert queue["messages_unacknowledged"] == PREFETCHED


@check("MessageRate")
def message_rate():
    assert rate(look(f"{OF_VHOST}/{QUEUES[0]}")) >= 0
    assert "rate" in look(f"{OF_VHOST}/{QUEUES[0]}")["message_stats"]["publish_details"]
    assert rate(look(f"{OF_VHOST}/idle")) == 0


@check("with a regular expression")
def regular_expression():
    queues = matching("^jobs[.](classic|quorum)$")
    assert sorted(queue["name"] for queue in queues) == sorted(QUEUES)
    assert sum(map(lengths, queues)) == 2 * PUBLISHED
    assert max(map(lengths, queues)) == PUBLISHED
    assert sum(map(rate, queues)) >= 0
    assert matching("nothing like that") == []
    assert [queue["name"] for queue in matching("idle")] == ["idle"]


@check("in all virtual hosts")
def all_vhosts():
    """With a URL that has no virtual host."""
    assert VHOST in {queue["vhost"] for queue in matching("^jobs[.]classic$", "/api/queues")}


@check("more queues than a page has")
def pages():
    told = look(f"{OF_VHOST}?{PAGE}&name=jobs&page_size=1")
    assert (told["page_count"], told["total_count"], len(told["items"])) == (2, 3, 1), told


@check("what is not there, or not allowed")
def errors():
    """The scaler tells the text of the answer."""
    for target, secret, status in (
        (f"{OF_VHOST}/missing", SECRET, 404),
        ("/api/queues/nowhere/jobs", SECRET, 404),
        (f"{OF_VHOST}/jobs.classic", "wrong", 401),
        (f"{OF_VHOST}?{PAGE}&name={quote_plus('(')}&page_size=100", SECRET, 400),
    ):
        found, told = ask("GET", target, user=MONITOR, password=secret)
        assert found == status, (target, found)
        assert told["error"]
    end()


main()
