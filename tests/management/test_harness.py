"""The harness itself: a request gets its whole answer."""

from .harness import Site


async def test_a_queue_that_was_declared_is_there(site: Site) -> None:
    site.declare("q")
    assert "q" in site.vhost.queues


async def test_a_request_is_answered(site: Site) -> None:
    reply = await site.get("/api/vhosts")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert [each["name"] for each in reply.json] == ["/"]


async def test_nobody_is_refused(site: Site) -> None:
    assert (await site.get("/api/vhosts", user=None)).status == 401
