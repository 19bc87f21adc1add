"""`python -m interop.soak.observed`: amqpy, which counts its own objects when asked to.

It takes the options of `amqpy serve`. A line on its standard input is answered with one line, a JSON object: how many
objects there are of each class of amqpy, and how many blocks of memory Python has in use. The end of the input means
nothing.
"""

import gc
import json
import sys
from collections import Counter
from functools import partial

import click
import trio

from amqpy import app, log, process
from amqpy.cli import setting_options
from amqpy.config import Config
from amqpy.config.sources import load
from interop.parity.subject import STDIN, lines


@click.command()
@setting_options
def main(**options: object) -> None:
    """Run the broker until SIGINT or SIGTERM."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    trio.run(serve, load(given, {}))


async def serve(config: Config) -> None:
    with process.stop_signals() as stop:
        async with trio.open_nursery() as serving:
            broker = partial(app.serve, collects_garbage=True)
            await serving.start(broker, config, log.configure(config.log_level), stop)
            async with trio.open_nursery() as answering:
                answering.start_soon(answer)
                await stop.wait()
                answering.cancel_scope.cancel()


async def answer() -> None:
    async for _ in lines(STDIN):
        sys.stdout.write(json.dumps([census(), sys.getallocatedblocks()]) + "\n")
        sys.stdout.flush()


def census() -> Counter[str]:
    """All objects but tuples, which are values. Those that were there at the start are frozen, and are found only after
    a thaw. Garbage is not collected before: objects of a broker are to go without."""
    empty_caches()
    gc.unfreeze()
    kinds = Counter(type(each) for each in gc.get_objects())
    gc.freeze()
    things = (kind for kind in kinds if kind.__module__.startswith("amqpy") and not issubclass(kind, tuple))
    return Counter({kind.__qualname__: kinds[kind] for kind in things})


def empty_caches() -> None:
    """What they hold is bounded, and depends on what came last."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "amqpy":
            for each in vars(module).values():
                if hasattr(each, "cache_clear"):
                    each.cache_clear()


if __name__ == "__main__":
    main()
