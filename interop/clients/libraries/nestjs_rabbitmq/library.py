"""@golevelup/nestjs-rabbitmq: NestJS services that publish, subscribe and answer."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="@golevelup/nestjs-rabbitmq",
    language="Node",
    about="AMQP for NestJS, with decorators",
    npm=(
        *("@golevelup/nestjs-rabbitmq@9.0.2", "@nestjs/common@11.2.10", "@nestjs/core@11.2.10"),
        *("reflect-metadata@0.2.2", "rxjs@7.8.2", "typescript@5.9.3", "@types/node@20.19.25", "@types/amqplib@0.10.8"),
    ),
    build=(("tsc",),),
    programs=tuple(Program(name, ("node", f"built/{name}.mjs")) for name in ("services", "recovery")),
    remarks=("Its own tests need its whole workspace, and have no tags that say which of them belong to a version.",),
)
