"""The parity engine itself: it must see every difference, and nothing where there is none."""
