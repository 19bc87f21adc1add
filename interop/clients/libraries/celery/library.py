"""Celery: every program starts the workers it needs as child processes."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="Celery",
    language="Python",
    about="distributed task queue, on kombu and py-amqp",
    pip=("celery==5.7.0", "gevent==26.9.0", "sqlalchemy==2.1.9"),
    programs=(Program("canvas", ("python", "canvas.py")),),
)
