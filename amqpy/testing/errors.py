"""Errors and warnings that tell a test what is wrong with it."""


class NotSettled(AssertionError):
    """Something was still in flight when the time was over. The text names who holds what."""


class FaultNotFired(AssertionError):
    """A fault never fired, so the test did not test what it says."""


class LeakWarning(UserWarning):
    """Something was left behind at the end of a test: a connection, an unacknowledged message, an open transaction."""


class BrokerBug(AssertionError):
    """The broker met an internal error, which is its cause."""
