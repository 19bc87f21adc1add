"""Builds the image and puts it in RabbitMQ's place: `python -m interop.container`."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from interop.container import chroot, context, service
from interop.container.image import Unavailable
from interop.container.runtime import RuntimeImage
from interop.container.scene import play

BUILT_BEFORE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/src/wheels", "NPM": ""}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=["docker", "podman"], help="without one, in root directories of Debian's")
    parser.add_argument("--base", help="the image to begin with; it must have a Python of the version --python")
    parser.add_argument("--python", default=chroot.PYTHON, metavar="VERSION", help="by default %(default)s")
    parser.add_argument("--build-option", action="append", default=[], help="an option for the runtime's build")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="amqpy-container-") as folder:
        try:
            if options.runtime is None:
                return in_root(Path(folder), options.python)
            return with_runtime(options, Path(folder))
        except (OSError, Unavailable) as reason:
            print(f"NOT RUN: {reason}")
            return 0


def with_runtime(options: argparse.Namespace, folder: Path) -> int:
    context.make(folder, options.python)
    given = BUILT_BEFORE | ({"BASE": options.base} if options.base else {})
    image = RuntimeImage(options.runtime, folder, given, options.build_option)
    try:
        return played(play(image))
    finally:
        image.close()


def in_root(folder: Path, python: str) -> int:
    chroot.check()
    for each in ("context", "build"):
        (folder / each).mkdir()
    context.make(folder / "context", python)
    image = chroot.ChrootImage(folder / "context", folder / "build", BUILT_BEFORE)
    unit: Path | None = folder / "unit"
    try:
        service.prepare(image.path, folder / "unit")
    except Unavailable as reason:
        print(f"NOT RUN: the unit of systemd: {reason}")
        unit = None
    chroot.leave_network()  # for one in which all ports are free
    return played(play(image)) | (0 if unit is None else played(service.play(unit)))


def played(scene: Iterator[str]) -> int:
    try:
        for each in scene:
            print(f"ok  {each}", flush=True)
    except AssertionError as failure:
        print(f"FAILED  {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
