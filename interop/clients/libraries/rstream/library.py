"""rstream: our program."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="rstream",
    language="Python",
    about="the stream protocol for asyncio",
    pip=("rstream==1.1.1",),
    programs=(Program("streams", ("python", "streams.py"), streams=True),),
    remarks=("Filters and super streams are left out where the broker has none.",),
)
