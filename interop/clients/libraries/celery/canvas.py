"""Celery: tasks that lead to tasks. Chords need a backend that keeps results: files, or a database."""

from celery import chain, chord, chunks, group
from celery.exceptions import ChordError
from checks import check, main
from tasks import add, count_down, fail, total, write
from workers import DEADLINE_S, application, folder, lines_of, worker


@check("chain")
def a_chain():
    with application("chain") as app, worker(app):
        assert chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=DEADLINE_S) == 10
        first = (add.s(1, 1) | add.s(2)).apply_async().parent
        assert first.get(timeout=DEADLINE_S) == 2


@check("group")
def a_group():
    with application("group") as app, worker(app, "--concurrency", "4", pool="threads"):
        result = group(add.s(number, 1) for number in range(100))()
        assert result.get(timeout=DEADLINE_S) == list(range(1, 101))
        assert result.successful()
        failing = group(add.s(1, 1), fail.s("on purpose"))()
        assert isinstance(failing.results[1].get(timeout=DEADLINE_S, propagate=False), LookupError)


@check("chunks, map and starmap")
def pieces():
    with application("pieces") as app, worker(app):
        in_tens = add.chunks(zip(range(100), range(100), strict=True), 10)
        assert isinstance(in_tens, chunks)
        results = in_tens.group()().get(timeout=DEADLINE_S)
        assert [result for ten in results for result in ten] == [2 * number for number in range(100)]
        assert total.map([[1, 2], [3, 4]]).apply_async().get(timeout=DEADLINE_S) == [3, 7]
        assert add.starmap([(1, 2), (3, 4)]).apply_async().get(timeout=DEADLINE_S) == [3, 7]


@check("links")
def links():
    with application("links") as app, folder() as place, worker(app):
        add.apply_async((2, 2), link=write.si(str(place / "linked"), "done"))
        fail.apply_async(("on purpose",), link_error=write.si(str(place / "failed"), "failed"))
        assert lines_of(place / "linked", 1) == ["done"]
        assert lines_of(place / "failed", 1) == ["failed"]


@check("replaced by other tasks")
def replaced():
    with folder() as place, application("replaced", result_backend=f"file://{place}") as app, worker(app):
        assert count_down.delay(5).get(timeout=DEADLINE_S, interval=0.05) == "zero"


def try_chords(app, pool):
    with worker(app, "--concurrency", "2", pool=pool):
        header = [add.s(number, number) for number in range(20)]
        assert chord(header)(total.s()).get(timeout=DEADLINE_S, interval=0.05) == 380
        after = chain(group(header), total.s(), add.s(1))()
        assert after.get(timeout=DEADLINE_S, interval=0.05) == 381
        inner = chord([chord([add.s(1, 2), add.s(3, 4)], total.s()), add.s(5, 6)], total.s())
        assert inner().get(timeout=DEADLINE_S, interval=0.05) == 21
        error = chord([add.s(1, 1), fail.s("on purpose")])(total.s()).get(DEADLINE_S, propagate=False, interval=0.05)
        assert isinstance(error, ChordError), error
        assert "on purpose" in str(error)


@check("chords, with results in files")
def chords_in_files():
    with folder() as place, application("files", result_backend=f"file://{place}") as app:
        try_chords(app, "prefork")


@check("chords, with results in a database")
def chords_in_a_database():
    with folder() as place, application("database", result_backend=f"db+sqlite:///{place}/results") as app:
        try_chords(app, "threads")


main()
