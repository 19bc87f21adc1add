"""The steps of a Containerfile, read as far as ours needs it.

Source: the reference of the Dockerfile's format.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

NAMES = {"ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "VOLUME"}
OPTION = re.compile(r"--([a-z-]+)=(\S+)\s+")
VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class Step(NamedTuple):
    """An instruction, and the text behind its name."""

    name: str
    text: str

    @property
    def options(self) -> dict[str, str]:
        """Those before the arguments: `--from=build`."""
        found, text = {}, self.text
        while option := OPTION.match(text):
            found[option[1]] = option[2]
            text = text[option.end() :]
        return found

    @property
    def arguments(self) -> list[str]:
        """The words, or the list in JSON, behind the options; of HEALTHCHECK those of its command."""
        text = self.text
        while option := OPTION.match(text):
            text = text[option.end() :]
        if self.name == "HEALTHCHECK":
            text = text.removeprefix("CMD").lstrip()
        if text.startswith("["):
            return [str(each) for each in json.loads(text)]
        return text.split()

    @property
    def pairs(self) -> dict[str, str]:
        """The names and values of ENV, or of an ARG with a default."""
        return dict(each.split("=", 1) for each in self.arguments if "=" in each)


class Stage(NamedTuple):
    """The steps behind a FROM; its name, if it has one."""

    base: str
    name: str
    steps: list[Step]

    def only(self, name: str) -> Step:
        """The one step of this name."""
        (found,) = (step for step in self.steps if step.name == name)
        return found

    def variables(self) -> dict[str, str]:
        """Those that containers have."""
        return {key: value for step in self.steps if step.name == "ENV" for key, value in step.pairs.items()}


def steps_of(text: str) -> Iterator[Step]:
    """The steps. Raises ValueError for an instruction that is not known here."""
    whole = ""
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole += line.rstrip().removesuffix("\\") + " "
        if line.rstrip().endswith("\\"):
            continue
        name, _, rest = whole.strip().partition(" ")
        if name not in NAMES:
            raise ValueError(f"the instruction {name} is not known here")
        yield Step(name, rest.strip())
        whole = ""


def stages_of(text: str, arguments: Mapping[str, str]) -> list[Stage]:
    """The stages of an image that is built with these arguments. Raises ValueError."""
    given, stages = dict(arguments), list[Stage]()
    for step in steps_of(text):
        if step.name == "FROM":
            base, *named = step.arguments
            stages.append(Stage(with_values(base, given), named[1] if named else "", []))
        elif stages:
            stages[-1].steps.append(step)
        else:
            given = step.pairs | given
    return stages


def with_values(text: str, values: Mapping[str, str]) -> str:
    """A text with the values of the variables in it; of those without one, nothing."""
    return VARIABLE.sub(lambda found: values.get(found[1] or found[2], ""), text)
