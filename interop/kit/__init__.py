"""Parts that the suites of `interop` and `tests` share: brokers as child processes, a proxy, a raw client."""
