"""Rates and samples of what the broker counts."""


class Statistics:
    """The samples of one broker."""
