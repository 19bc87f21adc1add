"""`python -m amqpy` is the `amqpy` command."""

import sys

from amqpy.cli import main

if __name__ == "__main__":
    sys.exit(main())
