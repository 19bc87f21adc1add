"""The quick cells of `interop.matrix`: each feature with large messages and every reader. What is told of a cell is
compared instead of frames, as bodies are large, and as it is about who got what."""

from interop.matrix import features
from interop.matrix.cells import Cell
from interop.matrix.registry import FEATURES, play, quick_cells
from interop.parity.scenario import scenario
from interop.parity.script import Overdue, Stage

features.load()


CELLS = {f"{cell.feature}, {cell.size_name}, {cell.reader}": cell for cell in quick_cells()}
REDELIVERED = ("settle.reject",)
"""Features that see dead letters, which 4.3 takes for redelivered."""


@scenario(each=CELLS, before={label: "4.3" for label, cell in CELLS.items() if cell.feature in REDELIVERED})
def cell(stage: Stage, cell: Cell) -> None:
    """A feature, a size, and when somebody reads."""
    told = play(cell, stage.broker)
    for who, lines in told.lines.items():
        for line in lines:
            stage.note(f"{who}: {line}")
    if told.in_vain:
        raise Overdue("\n".join([FEATURES[cell.feature].purpose, *told.in_vain]))
