"""Benchmarks: the same load on amqpy and on RabbitMQ, alternately, on the same two cores, as ratios.

A client library costs more per message than the broker does, so the load is made of frames encoded beforehand
(`frames`), sent in large blocks by other processes (`loops`, `jobs`, `crew`), and what comes back is counted by its
size (`counters`). `ceiling` measures what these generators can do without any broker.

`cases` is the list of measurements, `metrics` their numbers and targets, `brokers` starts what is measured or knows
what runs already, and `cli` alternates the brokers. `report` prints medians and ratios, and saves them; `page` writes
docs/performance.md, and `plots` draws its pictures. Absolute numbers of a shared machine mean little; the ratio within
one run does.
"""
