"""Metrics for Prometheus: RabbitMQ's plugin `rabbitmq_prometheus`.

`families` has the names, `readers` the numbers of each object, `scrape` reads them in slices and writes them as
`exposition` does, `application` answers requests.
"""
