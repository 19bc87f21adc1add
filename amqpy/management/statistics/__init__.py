"""Rates and samples of what the broker counts.

The counters themselves are always exact, and those of now: only rates, and the samples of charts, come from what was
noted every five seconds. `samples` keeps the numbers of an object, `sampler` takes them from a broker, `statistics`
puts them beside the counters of a view.
"""

from amqpy.management.statistics.statistics import Statistics

__all__ = ["Statistics"]
