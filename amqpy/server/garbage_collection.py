"""Cyclic garbage, collected without pauses.

Python's collector looks for cycles by visiting every object there is: with a million messages in memory that is a
third of a second during which nobody is served. Messages, queues, consumers and connections are freed by their
reference counts (tests see to it), so there is nothing to be found among them. Hence, in a process that is a broker
and nothing else, automatic collection is off, and all is searched once a minute while there is little to search.

The collector is the whole process's. A broker inside another program leaves it alone (decision 14).
"""

import gc

import trio

from amqpy.core.broker import Broker

EVERY_S = 60

MESSAGES_MAX = 10_000
"""Messages with which a search still takes only milliseconds."""


async def collect_garbage(broker: Broker) -> None:
    """Takes over the process's garbage collection until cancelled."""
    gc.disable()
    gc.collect()
    gc.freeze()  # what there is now stays, and need not be searched again
    try:
        while True:
            await trio.sleep(EVERY_S)
            if broker.messages_in_memory() <= MESSAGES_MAX:
                gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
