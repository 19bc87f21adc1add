"""Flower, which watches and controls Celery's workers, and shows it to browsers and programs."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="flower",
    language="Python",
    about="monitor of Celery's workers",
    pip=("flower==2.2.0", "celery==5.7.0"),
    programs=(Program("monitor", ("python", "monitor.py")),),
)
