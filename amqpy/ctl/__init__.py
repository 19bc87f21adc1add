"""The command line for operators: what people script with RabbitMQ's tools, over the management API.

`tools` has the commands: `ctl`, `diagnostics`, `plugins`, and `shims`, which makes programs of RabbitMQ's names of
them. Output, errors and exit codes are RabbitMQ's.
"""
