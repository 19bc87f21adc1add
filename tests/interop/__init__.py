"""The runner of `interop/run`, without any library."""
