"""The image as docker or podman builds and runs it."""

import contextlib
import json
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from interop.container.image import Done, Unavailable

PORTS = (5672, 15672, 15692)
STOP_S = 60


class RuntimeImage:
    """An image with a name of its own, which is gone when it is closed."""

    def __init__(self, program: str, context: Path, arguments: Mapping[str, str], options: list[str]) -> None:
        """Builds it of a folder with a Containerfile. Raises Unavailable, RuntimeError."""
        self._program = program
        self._name = f"amqpy-test-{uuid.uuid4().hex[:12]}"
        if (done := self.call("info")).returncode:
            raise Unavailable(f"{program} does not work here: {done.stderr.strip()}")
        given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        file = context / "Containerfile"
        if program == "podman":
            options = ["--format=docker", *options]  # or it leaves out the HEALTHCHECK
        done = self.call("build", *options, *given, f"--file={file}", f"--tag={self._name}", str(context))
        if done.returncode:
            raise RuntimeError(f"the image cannot be built:\n{done.stdout}{done.stderr}")

    def call(self, *arguments: str) -> Done:
        return subprocess.run(
            [self._program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def checked(self, *arguments: str) -> str:
        """Raises RuntimeError."""
        done = self.call(*arguments)
        if done.returncode:
            raise RuntimeError(f"{self._program} {' '.join(arguments)} failed: {done.stderr}")
        return done.stdout.strip()

    def close(self) -> None:
        self.call("volume", "rm", "--force", self._name)
        self.call("rmi", "--force", self._name)

    @property
    def health_check(self) -> list[str]:
        (told,) = json.loads(self.checked("image", "inspect", self._name))
        kind, *command = (told.get("Healthcheck") or told["Config"]["Healthcheck"])["Test"]  # podman's place, docker's
        assert kind == "CMD"
        return [str(each) for each in command]

    @contextlib.contextmanager
    def start(self, variables: Mapping[str, str], files: Mapping[str, str]) -> Iterator["RuntimeContainer"]:
        given = [f"--env={key}={value}" for key, value in variables.items()]
        published = [f"--publish=127.0.0.1::{port}" for port in PORTS]
        volume = f"--volume={self._name}:/var/lib/rabbitmq"
        number = self.checked("create", volume, *given, *published, self._name).splitlines()[-1]
        try:
            with tempfile.TemporaryDirectory() as folder:
                for name, text in files.items():
                    file = Path(folder, "file")
                    file.write_text(text)
                    file.chmod(0o644)
                    self.checked("cp", str(file), f"{number}:{name}")
            self.checked("start", number)
            container = RuntimeContainer(self, self._program, number)
            try:
                yield container
            finally:
                container.end()
        finally:
            self.call("rm", "--force", number)


class RuntimeContainer:
    """A container."""

    def __init__(self, image: RuntimeImage, program: str, number: str) -> None:
        self._image, self._number = image, number
        self._log = subprocess.Popen(
            [program, "logs", "--follow", number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def lines(self) -> Iterator[str]:
        assert self._log.stdout is not None
        return iter(self._log.stdout.readline, "")

    def address(self, port: int) -> tuple[str, int]:
        host, _, number = self._image.checked("port", self._number, f"{port}/tcp").splitlines()[0].rpartition(":")
        return host, int(number)

    def run(self, *command: str) -> Done:
        return self._image.call("exec", self._number, *command)

    def users(self) -> set[int]:
        return {int(self.run("id", "-u").stdout), int(self.run("stat", "--format=%u", "/proc/1").stdout)}

    def stop(self) -> int:
        self._image.checked("stop", f"--time={STOP_S}", self._number)
        return int(self._image.checked("wait", self._number))

    def end(self) -> None:
        self._log.kill()
        self._log.wait()
        assert self._log.stdout is not None
        self._log.stdout.close()
