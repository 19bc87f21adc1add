"""A bar for work that takes long, where somebody looks on: on standard error, if that is a terminal.

It is gone when the work is done. What a command prints is the same with it and without.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[float], object]
"""Is told the part that is done, from 0 to 1."""


@contextmanager
def progress(text: str) -> Iterator[Progress]:
    """A bar with a text before it, which moves to and fro until a part is told. Without the package rich there is
    none."""
    if not sys.stderr.isatty():
        yield ignore
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar
    except ModuleNotFoundError:
        yield ignore
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)

        def tell(part: float) -> None:
            bar.update(task, total=1, completed=part)

        yield tell


def ignore(part: float) -> None:
    """Tells nobody."""
