"""Parts that the suites of `interop` and `tests` share: brokers as child processes, a proxy, a raw client.

Three clients stay apart. That of `interop.parity` is the judge, and its codec knows nothing of amqpy's. That of
`interop.bench` leaves what comes behind an answer unread, for loops that count bytes. That of `interop.matrix` never
blocks, whatever the broker does not take.
"""
