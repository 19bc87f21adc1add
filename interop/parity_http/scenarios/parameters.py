"""Parameters of virtual hosts, and global ones."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage

POLICY = '{"pattern": "^q", "definition": {"max-length": 5}, "priority": 1, "apply-to": "queues"}'


@scenario()
def life(stage: Stage) -> None:
    """Those of components that there are: operator policies and limits."""
    stage.vhost()
    stage.everybody("v")
    stage.play(f"""
        GET /parameters/operator_policy/$v
        GET /parameters/operator_policy/$v/p
        PUT /parameters/operator_policy/$v/p {{"value": {POLICY}}}
        PUT /parameters/operator_policy/$v/p {{"value": {POLICY}}}
        GET /parameters/operator_policy/$v/p
        GET /parameters/operator_policy/$v
        GET /operator-policies/$v/p
        PUT /parameters/vhost-limits/$v/limits {{"value": {{"max-queues": 5}}}}
        GET /parameters/vhost-limits/$v/limits
        GET /vhost-limits/$v
        GET /parameters
        GET /parameters/operator_policy
        GET /parameters/vhost-limits
        management: GET /parameters
        policymaker: GET /parameters
        monitoring: GET /parameters
        policymaker: GET /parameters/operator_policy/$v
        management: GET /parameters/operator_policy/$v
        policymaker: PUT /parameters/operator_policy/$v/mine {{"value": {POLICY}}}
        policymaker: DELETE /parameters/operator_policy/$v/mine
        PUT /policies/$v/p {POLICY}
        GET /parameters/policy
        GET /parameters/policy/$v
        GET /parameters/policy/$v/p
        DELETE /parameters/policy/$v/p
        PUT /parameters/policy/$v/p {{"value": {POLICY}}}
        HEAD /parameters/operator_policy/$v/p
        DELETE /parameters/operator_policy/$v/p
        DELETE /parameters/operator_policy/$v/p
        DELETE /parameters/vhost-limits/$v/limits
        GET /vhost-limits/$v
        GET /parameters/operator_policy/$v/p
    """)


@scenario(each=["operator_policy", "vhost-limits", "nope", "policy", "%20", "%3Cb%3E"])
def components(stage: Stage, component: str) -> None:
    """Values of all types for each component."""
    stage.vhost()
    path = f"/parameters/{component}/$v/limits"
    values = (
        POLICY,
        '{"max-queues": 5}',
        '{"nonsense": 1}',
        "{}",
        "[]",
        "5",
        "null",
        '"x"',
        "true",
        "1.5",
        '{"max-queues": "x"}',
        '{"max-queues": 1, "max-connections": -1}',
        '{"pattern": "x"}',
        '{"pattern": "x", "definition": {}}',
    )
    for value in values:
        stage.play(f"""
            PUT {path} {{"value": {value}}}
            GET {path}
        """)
    stage.play(f"""
        PUT {path} {{}}
        PUT {path}
        PUT {path} []
        GET /parameters/{component}/$v
        GET /parameters/{component}
        GET /parameters/{component}/$gone
        GET /parameters/{component}/$gone/limits
        PUT /parameters/{component}/$gone/limits {{"value": {{"max-queues": 5}}}}
        DELETE /parameters/{component}/$gone/limits
        DELETE /parameters/{component}/$v/limits
        GET /vhost-limits/$v
    """)


@scenario()
def of_all(stage: Stage) -> None:
    """Global parameters have any value."""
    stage.everybody()
    stage.play("""
        GET /global-parameters/$g
        PUT /global-parameters/$g {"value": {"a": [1, 1.5, "é", null, true, {}], "b": {"c": {}}}}
        GET /global-parameters/$g
    """)
    for value in (
        "5",
        "0",
        "-1.5",
        '"x"',
        '""',
        "[]",
        "{}",
        "null",
        "true",
        "false",
        "[[], {}]",
        '{"a": null}',
        "1e3",
        "12345678901234567890123",
        '"é<&>"',
    ):
        stage.play(f"""
            PUT /global-parameters/$g {{"value": {value}}}
            GET /global-parameters/$g
        """)
    stage.play("""
        PUT /global-parameters/$g {}
        PUT /global-parameters/$g
        PUT /global-parameters/$g []
        PUT /global-parameters/$g {"nope": 1}
        PUT /global-parameters/a%2Fb.$g {"value": 1}
        GET /global-parameters/a%2Fb.$g
        GET /global-parameters?columns=name
        management: GET /global-parameters
        policymaker: GET /global-parameters?columns=name
        monitoring: GET /global-parameters
        policymaker: PUT /global-parameters/$h {"value": 1}
        policymaker: DELETE /global-parameters/$h
        management: PUT /global-parameters/$h {"value": 1}
        GET /global-parameters/internal_cluster_id
        HEAD /global-parameters/$g
        DELETE /global-parameters/$g
        DELETE /global-parameters/$g
        GET /global-parameters/$g
    """)
