"""Monitors and autoscalers, by what they ask the HTTP API: KEDA, Datadog's agent, Zabbix."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="KEDA, Datadog, Zabbix",
    language="other",
    about="an autoscaler and two monitors, by what they read over HTTP",
    pip=("pika==1.4.4",),
    package=None,
    programs=tuple(Program(name, ("python", f"{name}.py"), management=True) for name in ("keda", "datadog", "zabbix")),
    remarks=(
        "They are in no package registry: the programs make the requests that they make, and read of the answers what"
        " they read, with the types that they expect.",
    ),
)
