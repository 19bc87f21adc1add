"""The server itself: its overview, nodes, name, feature flags, and who one is."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage


@scenario()
def overview(stage: Stage) -> None:
    """All of it, for each tag."""
    stage.vhost()
    stage.everybody("v")
    stage.play("""
        GET /overview
        management: GET /overview
        policymaker: GET /overview
        monitoring: GET /overview
        administrator: GET /overview
        none: GET /overview
        GET /overview?columns=cluster_name,object_totals.queues
        GET /overview?columns=nope
        GET /overview?columns=listeners.protocol
        GET /overview?lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5
        GET /overview?lengths_age=60000&lengths_incr=5
        GET /overview?lengths_age=60
        GET /overview?lengths_age=x&lengths_incr=5
        GET /overview?lengths_age=0&lengths_incr=0
        GET /overview?disable_stats=true&columns=object_totals.queues,node
    """)


@scenario()
def object_totals(stage: Stage) -> None:
    """What there is, once RabbitMQ has noticed."""
    stage.vhost()
    stage.user("u", "management", "v")
    stage.play("""
        PUT /queues/$v/q1 {}
        PUT /queues/$v/q2 {}
        PUT /exchanges/$v/x {}
        WAIT /overview object_totals.queues=2
        GET /overview?columns=object_totals
        u: GET /overview?columns=object_totals
    """)


@scenario()
def cluster_name(stage: Stage) -> None:
    """It may be changed, and is put back."""
    before = stage.look("/cluster-name") or {}
    stage.everybody()
    stage.play("""
        PUT /cluster-name {"name": "a name"}
        GET /cluster-name
        management: GET /cluster-name
        management: PUT /cluster-name {"name": "x"}
        policymaker: PUT /cluster-name {"name": "x"}
        GET /global-parameters/cluster_name
        GET /overview?columns=node
        PUT /cluster-name {"name": 5}
        PUT /cluster-name {"name": ""}
        PUT /cluster-name {"name": null}
        PUT /cluster-name {}
        PUT /cluster-name x
        PUT /cluster-name {"name": "é"}
        GET /cluster-name
    """)
    stage.call_it("before", str(before.get("name", "rabbit@localhost")))
    stage.play('PUT /cluster-name {"name": "$before"}')


@scenario()
def whoami(stage: Stage) -> None:
    """Name and tags of each user."""
    stage.everybody()
    stage.user("several", "management,x , monitoring")
    stage.play("""
        GET /whoami
        none: GET /whoami
        management: GET /whoami
        policymaker: GET /whoami
        monitoring: GET /whoami
        administrator: GET /whoami
        several: GET /whoami
        GET /whoami?columns=name
        GET /whoami?columns=nope
        GET /extensions
        nobody: GET /extensions
        nobody: GET /auth
        GET /auth
    """)


@scenario()
def nodes(stage: Stage) -> None:
    """The node, and its memory."""
    stage.call_it("n", stage.side.names[0])
    stage.everybody()
    stage.play("""
        WAIT /nodes 0.fd_used_details 0.gc_num 0.io_read_count 0.msg_store_read_count 0.queue_index_read_count
        GET /nodes
        GET /nodes/$n
        monitoring: GET /nodes/$n?columns=name,type,running
        management: GET /nodes
        management: GET /nodes/$n
        GET /nodes/nope
        GET /nodes/$n?memory=true
        GET /nodes/$n?binary=true
        GET /nodes/$n?node_stats_age=60&node_stats_incr=5
        GET /nodes/$n?node_stats_age=60
        GET /nodes/$n?node_stats_age=1&node_stats_incr=0
        GET /nodes/$n/memory
        GET /nodes/$n/memory/relative
        management: GET /nodes/$n/memory
        GET /nodes/nope/memory
        GET /nodes/nope/memory/relative
        GET /nodes/$n/memory/nope
        GET /nodes?disable_stats=true
        GET /nodes/$n?disable_stats=true
    """)


@scenario()
def feature_flags(stage: Stage) -> None:
    """Flags that there are, and others."""
    stage.everybody()
    stage.play("""
        GET /feature-flags?columns=nope
        monitoring: GET /feature-flags
        PUT /feature-flags/quorum_queue/enable {}
        PUT /feature-flags/nope/enable {}
        PUT /feature-flags/quorum_queue/enable
        PUT /feature-flags/quorum_queue/disable {}
        GET /feature-flags/quorum_queue
        GET /feature-flags/quorum_queue/enable
        monitoring: PUT /feature-flags/quorum_queue/enable {}
    """)


@scenario()
def maintenance(stage: Stage) -> None:
    """What changes nothing that can be seen."""
    stage.call_it("n", stage.side.names[0])
    stage.everybody()
    stage.play("""
        POST /rebalance/queues
        POST /rebalance/queues {}
        management: POST /rebalance/queues
        GET /auth/attempts/$n?columns=protocol
        GET /auth/attempts/$n/source
        GET /auth/attempts/nope
        monitoring: GET /auth/attempts/$n?columns=protocol
        management: GET /auth/attempts/$n
        DELETE /auth/attempts/$n
        DELETE /auth/attempts/nope
        DELETE /auth/attempts/$n/source
        management: DELETE /auth/attempts/$n
        management: DELETE /reset
    """)
