"""A broker that is well, for the tools."""

from tests.ctl.fake import NODE, FakeApi

LISTENERS = [
    {"node": NODE, "protocol": "amqp", "ip_address": "127.0.0.1", "port": 5672},
    {"node": NODE, "protocol": "http", "ip_address": "::", "port": 15672},
]
OVERVIEW = {
    "node": NODE,
    "listeners": LISTENERS,
    "rabbitmq_version": "3.10.8",
    "erlang_version": "25",
    "erlang_full_version": "amqpy",
    "cluster_name": "a cluster",
    "object_totals": {"connections": 1, "queues": 2},
    "queue_totals": {"messages_ready": 3, "messages_unacknowledged": 4},
    "message_stats": {"publish_details": {"rate": 1.5}},
}
MEMORY = {"other_system": 3_000_000_000, "binary": 1_000_000_000, "strategy": "rss", "total": {"rss": 4_000_000_000}}
HERE = {
    "name": NODE,
    "os_pid": "123",
    "uptime": 93_784_000,
    "enabled_plugins": ["rabbitmq_management"],
    "mem_used": 4_000_000_000,
    "mem_limit": 10_000_000_000,
    "mem_alarm": False,
    "disk_free": 63_000_000_000,
    "disk_free_limit": 50_000_000,
    "disk_free_alarm": False,
    "log_files": ["<stderr>"],
}


def well(**answers: object) -> FakeApi:
    known = {
        "GET overview": OVERVIEW,
        "GET nodes": [HERE],
        f"GET nodes {NODE} memory": {"memory": MEMORY},
        "GET vhosts": [{"name": "/"}],
        "GET feature-flags": [{"name": "quorum_queue", "state": "enabled"}],
        "GET healthchecks node": {"status": "ok"},
        "GET health checks virtual-hosts": {"status": "ok"},
        "GET health checks node-is-quorum-critical": {"status": "ok"},
        "GET health checks certificate-expiration 2 weeks": {"status": "ok"},
    }
    return FakeApi({**known, **answers})
