"""librabbitmq, also known as rabbitmq-c; php-amqp, collectd and many others are built on it."""

from interop.clients.library import Library, Program

NAMES = ("topology", "messages", "properties", "connections")
CC = ("cc", "-std=gnu11", "-Wall", "-Wno-unused-function", "-o")

LIBRARY = Library(
    name="librabbitmq",
    language="C",
    about="the client for C, under many other tools",
    apt=("librabbitmq-dev", "gcc", "libc6-dev"),
    build=tuple((*CC, name, f"{name}.c", "-lrabbitmq") for name in (*NAMES, "tls")),
    programs=(*(Program(name, (f"./{name}",)) for name in NAMES), Program("TLS", ("./tls",), tls=True)),
)
