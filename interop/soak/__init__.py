"""The long mixed soak: clients of several libraries at work for minutes or hours, while connections are cut and the
broker is restarted; at the end nothing is lost and nothing is left.

A run is made of shifts (`run`). In each, the actors of `roles` work through the `proxy`, which cuts connections at
frame boundaries and inside frames; who sent, was promised and received what is in the `ledger`. At the end of a shift
publishers stop, consumers take what is there, everything is accounted for, all clients leave, and all that was
declared is deleted. Then the broker is empty, and measured: descriptors, memory, and its own objects. The first shift
is short and only warms up: what is measured after it is the base line.
"""
