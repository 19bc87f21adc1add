"""Builds the part of amqpy that is written in C, and its web page, where that can be done; without them amqpy is pure
Python, and has its API only.

The part in C takes a C compiler and Python's headers. Without them, or with a Python that has no stable ABI, there is a
warning and a wheel for every platform; with them, one for this platform and every Python from 3.11 on. The compiled
module goes into the wheel, or, for an editable install, beside its source, where Git ignores it. `AMQPY_PURE=1` leaves
it out.

The page takes Node and npm (`ui/build.py`). It goes into wheels and source distributions, so that nobody needs Node who
installs one. `AMQPY_UI=0` leaves it out, and an editable install has it when somebody builds it.

hatchling runs this (`tool.hatch.build.hooks` in pyproject.toml). setuptools knows how each platform
compiles.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

FOLDER = Path("amqpy", "wire")
PAGE = Path("amqpy", "management", "ui")


class Builder(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds what is built; `version` is "editable" for a wheel that only points to the checkout."""
        if version != "editable":
            self.add_page(build_data)
        if self.target_name == "wheel":
            self.add_module(version, build_data)

    def add_page(self, build_data: dict[str, Any]) -> None:
        if os.environ.get("AMQPY_UI") == "0":
            return
        built = subprocess.run(
            [sys.executable, str(Path(self.root, "ui", "build.py"))], stderr=subprocess.PIPE, text=True, check=False
        )
        if built.returncode != 0:
            self.app.display_warning(f"amqpy is built without its web page: {built.stderr.strip()}")
            return
        build_data["artifacts"].append(f"/{PAGE.as_posix()}/")  # though Git ignores it

    def add_module(self, version: str, build_data: dict[str, Any]) -> None:
        in_place = Path(self.root, FOLDER)
        if version == "editable":
            for old in [*in_place.glob("_scan*.so"), *in_place.glob("_scan*.pyd")]:
                old.unlink()
        if os.environ.get("AMQPY_PURE") == "1":
            return
        self.temporary = TemporaryDirectory(prefix="amqpy-")
        try:
            module = compiled(in_place / "_scan.c", self.temporary.name)
        except Exception as error:  # anything may be missing or broken, and none of it keeps amqpy from running
            self.app.display_warning(f"amqpy is built without its part in C, and so is slower: {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform()}"
        if version == "editable":
            shutil.copy(module, in_place)
        else:
            build_data["force_include"][str(module)] = (FOLDER / module.name).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "temporary"):
            self.temporary.cleanup()


def compiled(source: Path, folder: str) -> Path:
    """Compiles the module into a folder. Raises whatever is missing."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise RuntimeError("this Python has no stable ABI")
    from setuptools import Distribution, Extension

    extension = Extension("_scan", [str(source)], py_limited_api=True)
    build = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
    build.build_lib = build.build_temp = folder
    build.ensure_finalized()
    build.run()
    (module,) = build.get_outputs()
    return Path(module)


def platform() -> str:
    """The platform of the machine that builds. The tags of manylinux and musllinux say more than was looked after."""
    return next(tag.platform for tag in sys_tags() if not tag.platform.startswith(("manylinux", "musllinux")))
