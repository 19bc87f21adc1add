"""Graphite's carbon, which takes metrics by AMQP 0-8, with txAMQP."""

from interop.clients.library import Library, Program

LIBRARY = Library(
    name="carbon",
    language="Python",
    about="Graphite's store of metrics: its AMQP listener, with txAMQP and AMQP 0-8",
    pip=("carbon==1.1.10", "txAMQP==0.8.2", "whisper==1.1.10", "pika==1.4.4"),
    programs=(Program("metrics", ("python", "metrics.py"), timeout_s=300.0),),
    python_before=(3, 12),
    remarks=(
        "What it listens to, pika publishes, and carbon's own publisher; what it has stored is read with whisper.",
        "It can't be built with Python 3.12 or newer.",
        "txAMQP's own tests need specifications that are not in its distribution.",
    ),
)
