"""Virtual hosts, permissions, policies and parameters: what is said and what is asked. The texts are RabbitMQ's."""

import pytest

from amqpy.ctl.api import ApiError
from tests.ctl.fake import NODE, Asked, FakeApi, Tools

V1 = {
    "name": "v1",
    "description": "the first",
    "tags": ["a", "b"],
    "default_queue_type": "undefined",
    "tracing": False,
    "cluster_state": {NODE: "running"},
}
ALICE = {"name": "alice", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}
INVALID = 'Validation failed\n\n[{&lt;&lt;"nonsense"&gt;&gt;,8}] are not recognised policy settings\n'


def site(**answers: object) -> FakeApi:
    """A broker with the virtual hosts / and v1, and the user alice."""
    root = {**V1, "name": "/"}
    known = {"GET vhosts": [root, V1], "GET vhosts v1": V1, "GET vhosts /": root, "GET users alice": ALICE}
    return FakeApi({**known, **{key.replace("__", " "): value for key, value in answers.items()}})


PATTERNS = {"configure": "^c", "write": "^w", "read": "^r"}
TOPICS = {"exchange": "x", "write": "^w", "read": "^r"}
POLICY = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 0, "apply-to": "all"}


@pytest.mark.parametrize(
    ("line", "banner", "change"),
    [
        ("delete_vhost v1", 'Deleting vhost "v1" ...', ("DELETE", "vhosts/v1", {})),
        (
            "set_vhost_tags v1 x y",
            'Setting tags for virtual host "v1" to [x, y] ...',
            ("PUT", "vhosts/v1", {"description": "the first", "tags": ["x", "y"]}),
        ),
        (
            "set_permissions -p v1 alice ^c ^w ^r",
            'Setting permissions for user "alice" in vhost "v1" ...',
            ("PUT", "permissions/v1/alice", PATTERNS),
        ),
        (
            "clear_permissions -p v1 alice",
            'Clearing permissions for user "alice" in vhost "v1" ...',
            ("DELETE", "permissions/v1/alice", {}),
        ),
        (
            "set_topic_permissions alice x ^w ^r",
            'Setting topic permissions on "x" for user "alice" in vhost "/" ...',
            ("PUT", "topic-permissions///alice", TOPICS),
        ),
        (
            "clear_topic_permissions alice",
            'Clearing topic permissions for user "alice" in vhost "/" ...',
            ("DELETE", "topic-permissions///alice", {}),
        ),
        (
            "clear_topic_permissions -p v1 alice x",
            'Clearing topic permissions on "x" for user "alice" in vhost "v1" ...',
            ("DELETE", "topic-permissions/v1/alice/x", {}),
        ),
        (
            'set_policy p ^q {"max-length":5}',
            'Setting policy "p" for pattern "^q" to "{"max-length":5}" with priority "0" for vhost "/" ...',
            ("PUT", "policies///p", POLICY),
        ),
        (
            'set_policy --priority 3 --apply-to queues -p v1 p ^q {"max-length":5}',
            'Setting policy "p" for pattern "^q" to "{"max-length":5}" with priority "3" for vhost "v1" ...',
            ("PUT", "policies/v1/p", {**POLICY, "priority": 3, "apply-to": "queues"}),
        ),
        ("clear_policy p", 'Clearing policy "p" on vhost "/" ...', ("DELETE", "policies///p", {})),
        (
            'set_operator_policy p ^q {"max-length":5}',
            'Setting operator policy override "p" for pattern "^q" to "{"max-length":5}" with priority "0" for vhost '
            '"/" ...',
            ("PUT", "operator-policies///p", POLICY),
        ),
        (
            "clear_operator_policy p",
            'Clearing operator policy "p" on vhost "/" ...',
            ("DELETE", "operator-policies///p", {}),
        ),
        (
            'set_parameter c n {"a":1}',
            'Setting runtime parameter "n" for component "c" to "{"a":1}" in vhost "/" ...',
            ("PUT", "parameters/c///n", {"value": {"a": 1}}),
        ),
        (
            "clear_parameter -p v1 c n",
            'Clearing runtime parameter "n" for component "c" on vhost "v1" ...',
            ("DELETE", "parameters/c/v1/n", {}),
        ),
        (
            'set_global_parameter g "text"',
            'Setting global runtime parameter "g" to ""text"" ...',
            ("PUT", "global-parameters/g", {"value": "text"}),
        ),
        (
            "clear_global_parameter g",
            'Clearing global runtime parameter "g" ...',
            ("DELETE", "global-parameters/g", {}),
        ),
        (
            'set_vhost_limits -p v1 {"max-queues":3}',
            'Setting vhost limits to "{"max-queues":3}" for vhost "v1" ...',
            ("PUT", "parameters/vhost-limits/v1/limits", {"value": {"max-queues": 3}}),
        ),
        (
            "clear_vhost_limits -p v1",
            'Clearing vhost "v1" limits ...',
            ("DELETE", "parameters/vhost-limits/v1/limits", {}),
        ),
    ],
)
def test_something_is_changed(line: str, banner: str, change: Asked, tools: Tools) -> None:
    api = site()
    assert tools.run(f"ctl {line}", api) == (0, f"{banner}\n", "")
    assert api.changes == [change]
    assert tools.run(f"ctl {line} --formatter json", site()).out == f'{{"node":"{NODE}","result":"ok"}}\n'


NO_VHOST = "Virtual host 'nope' does not exist\n"


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("delete_vhost nope", 65, NO_VHOST),
        ("set_vhost_tags nope x", 65, 'Error:\nVirtual host "nope" does not exist\n'),
        ('set_vhost_limits -p nope {"max-queues":3}', 65, NO_VHOST),
        ("list_vhost_limits -p nope", 65, NO_VHOST),
        ("trace_on -p nope", 65, NO_VHOST),
        ("list_permissions -p nope", 65, NO_VHOST),
        ("list_topic_permissions -p nope", 65, NO_VHOST),
        ('set_policy -p nope p ^q {"max-length":5}', 65, NO_VHOST),
        ("list_policies -p nope", 65, NO_VHOST),
        ("set_permissions -p nope alice a b c", 69, "Error:\nVirtual host nope does not exist\n"),
        ("set_permissions -p v1 nope a b c", 67, "Error:\nUser nope does not exist\n"),
        ("clear_permissions -p v1 nope", 67, "Error:\nUser nope does not exist\n"),
        ("list_user_permissions nope", 69, 'Error:\n{:no_such_user, "nope"}\n'),
        ("list_user_topic_permissions nope", 69, 'Error:\n{:no_such_user, "nope"}\n'),
        (
            "restart_vhost -p nope",
            70,
            f"Error:\nFailed to start vhost 'nope' on node '{NODE}'Reason: {{:no_such_vhost, \"nope\"}}\n",
        ),
        ("set_policy p ^q x", 69, "Error:\nJSON decoding error. Reason: badarg\n"),
        ("set_parameter c n x", 69, "Error:\nJSON decoding error. Reason: badarg\n"),
    ],
)
def test_something_is_not_there_or_no_json(line: str, code: int, err: str, tools: Tools) -> None:
    api = site()
    said = tools.run(f"ctl {line}", api)
    assert (said.code, said.err) == (code, err)
    assert said.out.count("\n") == 1, "the banner"
    assert not api.changes


@pytest.mark.parametrize(
    "line",
    ["clear_policy p", "clear_operator_policy p", "clear_parameter c p", "clear_global_parameter p"],
)
def test_nothing_is_there_to_be_cleared(line: str, tools: Tools) -> None:
    paths = ("policies / p", "operator-policies / p", "parameters c / p", "global-parameters p")
    gone = {f"DELETE {path}": ApiError(404, "Not Found") for path in paths}
    said = tools.run(f"ctl {line}", FakeApi(gone))
    assert (said.code, said.err) == (69, "Error:\nParameter does not exist\n")


def test_permissions_that_are_not_there_are_cleared(tools: Tools) -> None:
    gone = {"DELETE permissions / alice": ApiError(404, "Not Found")}
    assert tools.run("ctl clear_permissions alice", site(**gone)).code == 0


def test_a_policy_is_refused(tools: Tools) -> None:
    api = site(**{"PUT policies / p": ApiError(400, INVALID)})
    said = tools.run('ctl set_policy p ^q {"nonsense":8}', api)
    assert said.code == 69
    assert said.err == 'Error:\nValidation failed\n\n[{<<"nonsense">>,8}] are not recognised policy settings\n\n'


def test_a_pattern_is_refused(tools: Tools) -> None:
    reason = ["invalid_regexp", list(b"*a"), [list(b"nothing to repeat"), 0]]
    api = site(**{"PUT permissions / alice": ApiError(400, reason)})
    said = tools.run("ctl set_permissions alice *a b c", api)
    assert (said.code, said.err) == (69, "Error:\n{:invalid_regexp, '*a', {'nothing to repeat', 0}}\n")


def test_a_priority_is_a_number(tools: Tools) -> None:
    said = tools.run('ctl set_policy p ^q {"max-length":5} --priority x', site())
    assert (said.code, said.out) == (64, "")
    assert said.err.startswith("Error (argument validation): Invalid options for this command:\n--priority : ")


# --- virtual hosts


def test_a_vhost_is_added_once(tools: Tools) -> None:
    api = site()
    line = ["ctl", "add_vhost", "v2", "--description", "the second", "--tags", "a,b", "--default-queue-type", "quorum"]
    assert tools.run(line, api) == (0, 'Adding vhost "v2" ...\n', "")
    given = {"description": "the second", "tags": "a,b", "default_queue_type": "quorum", "defaultqueuetype": "quorum"}
    assert api.changes == [("PUT", "vhosts/v2", given)]
    api = site()
    assert tools.run("ctl add_vhost v1", api) == (0, 'Adding vhost "v1" ...\n', "")
    assert not api.changes


def test_a_vhost_may_be_refused(tools: Tools) -> None:
    for reason, err in ("nope is not a valid queue type", "invalid_queue_type"), ("other", "other"):
        api = site(**{"PUT vhosts v2": ApiError(400, reason)})
        said = tools.run("ctl add_vhost v2 --default-queue-type nope", api)
        assert (said.code, said.err) == (69, f"Error:\n{err}\n")


def test_tracing_keeps_the_rest(tools: Tools) -> None:
    quorum = {**V1, "default_queue_type": "quorum"}
    api = site(**{"GET vhosts v1": quorum})
    said = tools.run("ctl trace_on -p v1", api)
    assert said == (0, 'Starting tracing for vhost "v1" ...\nTrace enabled for vhost v1\n', "")
    kept = {"description": "the first", "tags": ["a", "b"]}
    kinds = {"default_queue_type": "quorum", "defaultqueuetype": "quorum"}
    assert api.changes == [("PUT", "vhosts/v1", {**kept, **kinds, "tracing": True})]
    said = tools.run("ctl trace_off -p v1", site())
    assert said == (0, 'Stopping tracing for vhost "v1" ...\nTrace disabled for vhost v1\n', "")


def test_vhosts_run_always(tools: Tools) -> None:
    said = tools.run("ctl restart_vhost -p v1", site())
    banner = f"Trying to restart vhost 'v1' on node '{NODE}' ...\n"
    assert said == (0, f"{banner}Vhost 'v1' is already running on node '{NODE}'\n", "")


def test_vhosts_are_listed(tools: Tools) -> None:
    assert tools.run("ctl list_vhosts", site()).out == "Listing vhosts ...\nname\n/\nv1\n"
    said = tools.run("ctl -q list_vhosts name tags tracing cluster_state description", site())
    assert said.lines[2] == f"v1\t[a, b]\tfalse\t#{{{NODE} => running}}\tthe first"
    said = tools.run("ctl list_vhosts name tags cluster_state --formatter json", site())
    row = f'"tags":["a","b"],"cluster_state":{{"{NODE}":"running"}}}}'
    assert said.out == f'[\n{{"name":"/",{row}\n,{{"name":"v1",{row}\n]\n'


def test_limits_of_vhosts_are_listed(tools: Tools) -> None:
    limits = [{"vhost": "v1", "value": {"max-queues": 3}}]
    api = site(**{"GET vhost-limits": [*limits, {"vhost": "old", "value": []}], "GET vhost-limits v1": limits})
    api.answers["GET vhost-limits /"] = []
    assert tools.run("ctl list_vhost_limits", api).out == 'Listing limits for vhost "/" ...\n\n'
    assert tools.run("ctl list_vhost_limits -p v1", api).out == 'Listing limits for vhost "v1" ...\n{"max-queues":3}\n'
    said = tools.run("ctl list_vhost_limits --global", api)
    assert said.out == 'Listing limits for all vhosts ...\nvhost\tlimits\nv1\t{"max-queues":3}\n'
    said = tools.run("ctl list_vhost_limits -p v1 --formatter json", api)
    assert said.out == f'{{"node":"{NODE}","result":"ok","value":"{{\\"max-queues\\":3}}"}}\n'
    said = tools.run("ctl list_vhost_limits --global --formatter json", api)
    assert said.out == '[\n{"vhost":"v1","limits":"{\\"max-queues\\":3}"}\n]\n'


# --- lists


def test_permissions_are_listed(tools: Tools) -> None:
    rows = [{"user": "alice", "vhost": "v1", **PATTERNS}]
    api = site(**{"GET vhosts v1 permissions": rows, "GET users alice permissions": rows})
    said = tools.run("ctl list_permissions -p v1", api)
    header = "user\tconfigure\twrite\tread"
    assert said.out == f'Listing permissions for vhost "v1" ...\n{header}\nalice\t^c\t^w\t^r\n'
    said = tools.run("ctl list_user_permissions alice", api)
    header = "vhost\tconfigure\twrite\tread"
    assert said.out == f'Listing permissions for user "alice" ...\n{header}\nv1\t^c\t^w\t^r\n'


def test_topic_permissions_are_listed(tools: Tools) -> None:
    rows = [{"user": "alice", "vhost": "v1", **TOPICS}]
    api = site(**{"GET vhosts v1 topic-permissions": rows, "GET users alice topic-permissions": rows})
    api.answers["GET vhosts / topic-permissions"] = []
    said = tools.run("ctl list_topic_permissions -p v1", api)
    header = "user\texchange\twrite\tread"
    assert said.out == f'Listing topic permissions for vhost "v1" ...\n{header}\nalice\tx\t^w\t^r\n'
    assert tools.run("ctl list_topic_permissions", api).out == 'Listing topic permissions for vhost "/" ...\n\n'
    said = tools.run("ctl list_user_topic_permissions alice", api)
    assert said.out == 'Listing topic permissions for user "alice" ...\nv1\tx\t^w\t^r\n'


def test_permissions_everywhere(tools: Tools) -> None:
    api = site()
    assert tools.run("ctl set_permissions_globally alice ^c ^w ^r", api).code == 0
    assert api.changes == [("PUT", f"permissions/{vhost}/alice", PATTERNS) for vhost in ("/", "v1")]


def test_policies_are_listed(tools: Tools) -> None:
    rows = [{"vhost": "/", "name": "p1", **POLICY}]
    api = site(**{"GET policies /": rows, "GET operator-policies /": rows})
    table = 'vhost\tname\tpattern\tapply-to\tdefinition\tpriority\n/\tp1\t^q\tall\t{"max-length":5}\t0\n'
    assert tools.run("ctl list_policies", api).out == f'Listing policies for vhost "/" ...\n{table}'
    said = tools.run("ctl list_operator_policies", api)
    assert said.out == f'Listing operator policy overrides for vhost "/" ...\n{table}'
    said = tools.run("ctl list_policies --formatter json", api)
    assert said.out == (
        '[\n{"vhost":"/","name":"p1","pattern":"^q","apply-to":"all","definition":"{\\"max-length\\":5}","priority":0}'
        "\n]\n"
    )


def test_parameters_are_listed(tools: Tools) -> None:
    rows = [{"vhost": "v1", "component": "c", "name": "n", "value": {"a": 1}}]
    api = site(**{"GET parameters": rows, "GET global-parameters": [{"name": "g", "value": "text"}]})
    assert tools.run("ctl list_parameters", api).out == 'Listing runtime parameters for vhost "/" ...\n\n'
    said = tools.run("ctl list_parameters -p v1", api)
    assert said.out == 'Listing runtime parameters for vhost "v1" ...\ncomponent\tname\tvalue\nc\tn\t{"a":1}\n'
    said = tools.run("ctl list_global_parameters", api)
    assert said.out == 'Listing global runtime parameters ...\nname\tvalue\ng\t"text"\n'
