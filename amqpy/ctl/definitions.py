"""Definitions: exported, and imported.

Source: RabbitMQ's `export_definitions_command.ex`, `import_definitions_command.ex`.
"""

import json
import os
import sys
from pathlib import Path

import click

from amqpy.ctl.failures import DATA_ERROR, BadArguments, error
from amqpy.ctl.options import Call, Tasks, flag, option
from amqpy.ctl.progress import progress

tasks = Tasks()

FORMATS = click.Choice(["json"])


@tasks("<file>", option("--format", "form", type=FORMATS, default="json", text="The form of the file."))
def export_definitions(call: Call, file: str, *, form: str) -> None:
    """Write users, virtual hosts, permissions, policies, queues, exchanges and bindings to a file; - is standard
    output."""
    if file == "-":
        call.out.document(call.api.get("definitions"))
        return
    if not Path(file).parent.is_dir():
        raise BadArguments(f"Bad argument: Directory {Path(file).parent} does not exist", DATA_ERROR)
    call.out.banner(f'Exporting definitions in JSON to a file at "{file}" ...')
    content = json.dumps(call.api.get("definitions")).encode()
    try:
        # It has the hashes of passwords in it.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
            written.write(content)
    except OSError as problem:
        raise error(f"could not write to {file}: {problem.strerror}", DATA_ERROR) from None


@tasks(
    "[<file>]",
    option("--format", "form", type=FORMATS, default="json", text="The form of the file."),
    flag("--skip-if-unchanged", text="Accepted; what is equal stays as it is anyway."),
)
def import_definitions(call: Call, file: str | None = None, *, form: str, skip_if_unchanged: bool) -> None:
    """Add what a file has that `export_definitions` has written. Without FILE, or as -, it is standard input."""
    if file in {None, "-"}:
        call.out.banner("Importing definitions in JSON from standard input ...")
        content = sys.stdin.buffer.read()
    else:
        assert file is not None
        try:
            content = Path(file).read_bytes()
        except OSError as problem:
            said = "does not exist" if isinstance(problem, FileNotFoundError) else f"cannot be read: {problem.strerror}"
            raise BadArguments(f"Bad argument: File {file} {said}", DATA_ERROR) from None
        call.out.banner(f'Importing definitions in JSON from a file at "{file}" ...')
    try:
        json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise error(f"Failed to deserialise input (format: JSON) (error: {problem})", DATA_ERROR) from None
    call.be_patient()
    with progress("importing"):
        call.api.request("POST", ("definitions",), content)
    call.out.note("Successfully started definition import. This process is asynchronous and can take some time.")
