"""What Flower tells over HTTP of a Celery worker, and has it do."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from checks import PREFIX, Skip, check, cut, force_close, main, name_of
from watched import add, app, fail, hold, wait

TIMEOUT_S = 60
WORKER = f"worker@{PREFIX}"

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    PORT = probe.getsockname()[1]

CELERY = ("celery", "--app=watched", "--quiet")
WORKING = subprocess.Popen(
    [*CELERY, "worker", f"--hostname={WORKER}", "--concurrency=2", "--events", "--loglevel=WARNING"]
)
BROKER_API = os.environ.get("MANAGEMENT_URL")
WATCHING = subprocess.Popen(
    [
        *(*CELERY, "flower", "--address=127.0.0.1", f"--port={PORT}", "--loglevel=WARNING"),
        *([f"--broker-api={BROKER_API}/api/"] if BROKER_API else []),
    ],
    env={**os.environ, "FLOWER_UNAUTHENTICATED_API": "true"},
)


def ask(path, body=None, **parameters):
    """Flower's answer to a GET, or to a POST if there is something to post; what it says in JSON is made Python's."""
    url = f"http://127.0.0.1:{PORT}{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, body, timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text


def until(found):
    """What `found` returns when it is true at last. Flower can only be asked again and again."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError):
            if result := found():
                return result
        threading.Event().wait(0.2)
    raise AssertionError("it did not come to that")


def control(path, **parameters):
    return ask(f"/api/{path}", b"", **parameters)["message"]


def worker():
    return ask("/api/workers", refresh="true")[WORKER]


def task_is(task, *states):
    return lambda: ask(f"/api/task/info/{task.id}")["state"] in states


@check("workers")
def workers():
    until(lambda: worker()["active_queues"])  # they have started, and found each other
    told = worker()
    assert [queue["name"] for queue in told["active_queues"]] == [app.conf.task_default_queue]
    assert {"add", "fail", "wait"} <= set(told["registered"])
    assert told["stats"]["broker"]["transport"] == "amqp"
    assert told["stats"]["pool"]["max-concurrency"] == 2
    assert WORKER in ask("/workers")


@check("tasks")
def tasks():
    """Events of Celery's lead to what Flower knows of tasks."""
    sum_, failure = add.delay(2, 3), fail.delay()
    assert sum_.get(timeout=TIMEOUT_S) == 5
    until(task_is(sum_, "SUCCESS"))
    until(task_is(failure, "FAILURE"))
    told = ask(f"/api/task/info/{sum_.id}")
    assert (told["name"], told["args"], told["result"], told["worker"]) == ("add", "(2, 3)", "5", WORKER)
    assert "as it should" in ask(f"/api/task/info/{failure.id}")["exception"]
    assert {sum_.id, failure.id} <= set(ask("/api/tasks", workername=WORKER))
    assert {"add", "fail"} <= set(ask("/api/task/types")["task-types"])


@check("queues of the broker")
def queues_of_the_broker():
    """Flower asks the HTTP API: one message waits, as the worker has begun four times as many as it has processes."""
    if not BROKER_API:
        raise Skip("nothing is known of its HTTP API")
    let_go = Path("let_go").absolute()
    tasks = [hold.delay(str(let_go)) for _ in range(9)]
    queue = app.conf.task_default_queue
    until(lambda: [each for each in lengths() if (each["name"], each["messages"]) == (queue, 9)])
    row = ask("/broker").partition(f'<tr id="{queue}">')[2].partition("</tr>")[0]
    cells = re.findall(r">([^<>]*)</td>", row)
    assert cells[:5] == [queue, "9", "8", "1", "1"], cells
    let_go.touch()
    for task in tasks:
        task.get(timeout=TIMEOUT_S)
    until(lambda: [each["messages"] for each in lengths()] == [0])


def lengths():
    return ask("/api/queues/length")["active_queues"]


@check("metrics")
def metrics():
    name = f'flower_events_total{{task="add",type="task-succeeded",worker="{WORKER}"}}'
    add.delay(1, 1).get(timeout=TIMEOUT_S)
    until(lambda: any(line.startswith(name) for line in ask("/metrics").splitlines()))


@check("tasks sent by Flower")
def sent_tasks():
    task = ask("/api/task/async-apply/add", json.dumps({"args": [20, 22]}).encode())["task-id"]
    until(lambda: ask(f"/api/task/info/{task}")["result"] == "42")


@check("remote control")
def remote_control():
    assert control(f"worker/pool/grow/{WORKER}", n=1)
    until(lambda: len(worker()["stats"]["pool"]["processes"]) == 3)
    assert control(f"worker/pool/shrink/{WORKER}", n=1)
    until(lambda: len(worker()["stats"]["pool"]["processes"]) == 2)
    assert control("task/rate-limit/add", workername=WORKER, ratelimit="1000/s")
    assert control("task/timeout/add", workername=WORKER, soft=30, hard=60)


@check("queues consumed on command")
def consumed_queues():
    more = name_of("more")
    assert control(f"worker/queue/add-consumer/{WORKER}", queue=more)
    assert add.apply_async((1, 2), queue=more).get(timeout=TIMEOUT_S) == 3
    assert control(f"worker/queue/cancel-consumer/{WORKER}", queue=more)
    told = worker()["active_queues"]
    assert [queue["name"] for queue in told] == [app.conf.task_default_queue]


@check("revoke")
def revoke():
    task = wait.delay()
    until(task_is(task, "RECEIVED", "STARTED"))
    assert control(f"task/revoke/{task.id}", terminate="true", signal="SIGKILL")
    until(task_is(task, "REVOKED"))


def goes_on_after(interrupt):
    """Worker and Flower both consume again by themselves."""
    interrupt()

    def seen():
        task = add.apply_async((3, 4), retry=True)
        return task.get(timeout=TIMEOUT_S) == 7 and until(task_is(task, "SUCCESS"))

    assert until(seen)


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    goes_on_after(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    goes_on_after(cut)


@check("shutdown")
def shutdown():
    """On Flower's command, the worker ends; what it used is deleted after it."""
    assert control(f"worker/shutdown/{WORKER}")
    assert WORKING.wait(TIMEOUT_S) == 0
    WATCHING.terminate()
    WATCHING.wait(TIMEOUT_S)
    with app.connection_for_write() as connection, connection.channel() as channel:
        for queue in (app.conf.task_default_queue, name_of("more")):
            assert channel.queue_delete(queue) == 0
        for exchange in ("tasks", "more", "control", "events", "results"):
            channel.exchange_delete(name_of(exchange))
        channel.exchange_delete(f"{name_of('control')}.pidbox")
        channel.exchange_delete(f"reply.{name_of('control')}.pidbox")


main()
