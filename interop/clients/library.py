"""What is known of a client library: how it is installed, our programs for it, and its own tests.

A library is a folder of `libraries/` with a `library.py`, which has one `LIBRARY`, and beside it the files of its
programs. The vocabulary of `library.py` is this module.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from interop.clients import libraries

LANGUAGES = ("Python", "Node", "Go", "Java", ".NET", "C", "C++", "Ruby", "PHP", "Perl", "shell", "other")


@dataclass(frozen=True)
class Account:
    """A user, and the virtual host that they may do everything in."""

    user: str = "guest"
    password: str = "guest"
    vhost: str = "/"


GUEST = Account()


@dataclass(frozen=True)
class Program:
    """A black-box program of ours that uses a library and says on its standard output, as TAP, what it found.

    It runs in a folder that has the files beside `library.py` and those of `harness/`, with this environment:

    - `AMQP_URL`: the broker, by way of a proxy that only this program uses;
    - `INTEROP_CONTROL`: a port on 127.0.0.1 where the proxy obeys: see `proxy.py`;
    - `INTEROP_PREFIX`: what the names of all its queues and exchanges begin with, different in every run;
    - `INTEROP_LIBRARY`: the folder where the library and its tools were installed;
    - `MANAGEMENT_URL`: the broker's HTTP API, straight, without a path;
    - `STREAM_URL`: the broker's listener for the stream protocol, straight, without a path;
    - `AMQPS_URL`: the broker in TLS, straight. It asks for a certificate, and takes who has none;
    - `INTEROP_AUTHORITY`, `INTEROP_CERTIFICATE`: files in PEM. The one is the authority of the broker's certificate,
      the other has the client's, whose common name is the user's, and its key;
    - `INTEROP_PKCS12`: the client's once more, in the form that Java reads, under the password `interop`.
    """

    name: str
    command: tuple[str, ...]
    timeout_s: float = 120.0
    slow: bool = False
    """Left out of the slice that continuous integration runs."""
    tls: bool = False
    """Left out with a broker of which only a URL is known: it needs one in TLS, and the client's certificate."""
    management: bool = False
    """Left out with such a broker, too: it needs the HTTP API."""
    streams: bool = False
    """Left out with such a broker, too: it speaks the stream protocol."""


@dataclass(frozen=True)
class Sdist:
    """The source distribution of a Python package; `requirement` pins it."""

    requirement: str


@dataclass(frozen=True)
class Checkout:
    """A tag of a Git repository."""

    url: str
    tag: str


@dataclass(frozen=True)
class Installed:
    """A folder of the installed library itself, as its distribution ships its tests; absolute or in the workspace."""

    path: str


@dataclass(frozen=True)
class Suite:
    """The tests that a library publishes for itself.

    They run in a fresh copy of `source`. In `command`, in `prepare` and in the values of `environment`, `{url}`,
    `{host}`, `{port}`, `{tls_port}` and `{management_port}` (0 if the broker has no TLS, no management API) stand for
    those of the broker; `{authority}` and `{certificate}` for the files that `Program` tells of.
    """

    source: Sdist | Checkout | Installed
    command: tuple[str, ...]
    name: str = "own tests"
    report: str = "junit.xml"
    """Where the command leaves its JUnit report. `-`: it prints TAP; `go`: it prints what `go test -json` prints."""
    prepare: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    overlay: Mapping[str, str] = field(default_factory=dict)
    """Files beside `library.py`, and where they are put in the copy: settings, not changes of the tests."""
    default_port: bool = False
    """They know no other ports than 5672, 5671 and 15672 of localhost: in a network of their own, they are the
    broker's."""
    account: Account = GUEST
    """As whom they come: the broker has this as its default user."""
    timeout_s: float = 900.0
    slow: bool = False
    """Left out of the slice that continuous integration runs."""
    tls: bool = False
    management: bool = False
    """Both as of a program."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Patterns (as of file names) of tests that need what amqpy does not have yet, and what that is. They must fail."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Patterns of tests that fail with RabbitMQ, too, and why."""
    flaky: Mapping[str, str] = field(default_factory=dict)
    """Patterns of tests whose outcome depends on how quick the machine or the broker is, and why."""


@dataclass(frozen=True)
class Library:
    """A client library, framework or tool. The first requirement is the library itself, pinned where that is possible.

    `pip` requirements go into a virtual environment of their own, `npm` ones into a folder of their own; what
    Debian has (`apt`) is installed for the whole machine. Then the commands of `build` run where the programs will.
    """

    name: str
    language: str
    """One of `LANGUAGES`."""
    about: str
    """What it is, in a few words."""
    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    newest: str = ""
    """A package of Debian's newest release, unpacked beside the machine: `./inside COMMAND …` runs in its root."""
    build: tuple[tuple[str, ...], ...] = ()
    package: str | None = ""
    """Debian's package whose version is told instead of that of the first requirement; None: there is none to tell."""
    programs: tuple[Program, ...] = ()
    suites: tuple[Suite, ...] = ()
    python_before: tuple[int, int] | None = None
    """It cannot be built with this Python, or a newer one."""
    debian_before: int | None = None
    """This release of Debian does not have it any more, nor any newer one."""
    remarks: tuple[str, ...] = ()
    """What a reader of the results must know, one sentence each."""
    folder: str = ""
    """Its name in `libraries/`, filled in when it is found."""


def all_libraries() -> Iterator[Library]:
    """Every library there is, by the names of their folders."""
    for found in sorted(pkgutil.iter_modules(libraries.__path__), key=lambda module: module.name):
        module = importlib.import_module(f"{libraries.__name__}.{found.name}.library")
        library = module.LIBRARY
        assert isinstance(library, Library)
        yield Library(**{**vars(library), "folder": found.name})
