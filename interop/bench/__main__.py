"""`python -m interop.bench`, which is what `scripts/bench` runs."""

import sys

from interop.bench.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
