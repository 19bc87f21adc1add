"""Cyclic garbage, collected without pauses.

Python's collector looks for cycles by visiting every object there is: with a million messages in memory that is a
third of a second during which nobody is served. Messages, queues and consumers are freed by their reference counts
and are in no cycles, so there is nothing to be found among them. Hence, in a process that is a broker and nothing
else:

- automatic collection is off;
- every second, what was made since the last time is searched, if it is little, and *frozen*: moved, in no time, to
  where the collector does not look;
- every minute, if there are few messages, everything is unfrozen and searched, so that no cycle lives for ever.

Only objects in a cycle that were frozen in a burst wait for that minute, or for the backlog to shrink.
"""

import gc

import trio

from amqpy.core.broker import Broker

EVERY_S = 1
FULL_EVERY = 60
"""In rounds of EVERY_S."""

YOUNG_MAX = 20_000
"""New objects that are searched; about a millisecond for each 5,000."""

MESSAGES_MAX = 10_000
"""Messages with which a full search still takes only milliseconds."""


async def collect_garbage(broker: Broker) -> None:
    """Takes over the process's garbage collection until cancelled."""
    gc.disable()
    gc.collect()
    gc.freeze()
    try:
        while True:
            for _ in range(FULL_EVERY):
                await trio.sleep(EVERY_S)
                if gc.get_count()[0] < YOUNG_MAX:
                    gc.collect()
                gc.freeze()
            if broker.message_count() <= MESSAGES_MAX:
                gc.unfreeze()
                gc.collect()
                gc.freeze()
    finally:
        gc.unfreeze()
        gc.enable()
