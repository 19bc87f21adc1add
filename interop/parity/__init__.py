"""One script of operations on raw frames, played against two brokers, and every frame received compared."""
