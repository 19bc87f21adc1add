"""Lists: pages, order, columns."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

NAMES = ("b", "a", "Zed", "q10", "q2", "q1", "x.y")


def prepare(stage: Stage) -> None:
    stage.vhost()
    for number, name in enumerate(NAMES):
        kind = ("direct", "topic", "fanout")[number % 3]
        stage.play(
            [
                Step(
                    "PUT", f"/exchanges/$v/{name}", f'{{"type": "{kind}", "durable": {str(bool(number % 2)).lower()}}}'
                ),
                Step("PUT", f"/queues/$v/{name}", f'{{"durable": {str(bool(number % 2)).lower()}}}'),
            ]
        )


QUERIES = [
    "page=1",
    "page=2",
    "page=1&page_size=3",
    "page=2&page_size=3",
    "page=3&page_size=3",
    "page=4&page_size=3",
    "page=5&page_size=3",
    "page=0",
    "page=-1",
    "page=x",
    "page=",
    "page=1.5",
    "page=+1",
    "page=01",
    "page=undefined",
    "page=1&page_size=0",
    "page=1&page_size=-1",
    "page=1&page_size=500",
    "page=1&page_size=501",
    "page=1&page_size=x",
    "page=1&page_size=",
    "page=x&page_size=x",
    "page=0&page_size=0",
    "page=100",
    "page_size=2",
    "page_size=x",
    "name=q",
    "use_regex=true&name=(",
    "page=1&name=q",
    "page=1&name=Q",
    "page=1&name=^q",
    "page=1&name=^q&use_regex=true",
    "page=1&name=Q&use_regex=true",
    "page=1&name=q.*0$&use_regex=true",
    "page=1&name=(&use_regex=true",
    "page=1&name=*&use_regex=true",
    "page=1&name=^q&use_regex=false",
    "page=1&name=^q&use_regex=1",
    "page=1&name=nope",
    "page=2&name=nope",
    "page=1&name=",
    "page=1&name=.&use_regex=true",
    "page=1&name=%2E",
    "page=1&page_size=2&name=q&sort=name&sort_reverse=true",
    "page=1&pagination=true",
    "page=1&pagination=false",
    "pagination=true",
    "page=1&page_size=1&columns=name",
    "page=1&columns=nope",
    "page=1&page_size=2&columns=name,type",
]

SORTS = [
    "sort=name",
    "sort=name&sort_reverse=true",
    "sort=name&sort_reverse=false",
    "sort=durable",
    "sort=durable&sort_reverse=true",
    "sort=nope",
    "sort=arguments",
    "sort_reverse=true",
    "sort=type&columns=name",
    "sort=type&columns=type,name",
    "sort=a.b.c",
    "sort=vhost",
    "sort=name.x",
    "sort=auto_delete&columns=name",
]

COLUMNS = [
    "columns=name",
    "columns=name,durable",
    "columns=nope",
    "columns=name,nope",
    "columns=",
    "columns=,",
    "columns=name,name",
    "columns=arguments",
    "columns=arguments.nope",
    "columns=name.x",
    "columns=Name",
    "columns=%20name",
    "columns=name,%20durable",
    "columns=vhost",
]


@scenario(each=["exchanges", "queues"])
def pages(stage: Stage, kind: str) -> None:
    """Numbers and sizes of pages, and names to look for."""
    prepare(stage)
    shown = "&columns=name,items,filtered_count,item_count,page,page_count,page_size,total_count"
    stage.play(
        [
            Step(
                "GET",
                f"/{kind}/$v?{query}{'' if 'columns' in query else shown}",
            )
            for query in QUERIES
        ]
    )


@scenario(each=["exchanges", "queues"])
def order(stage: Stage, kind: str) -> None:
    """What they are sorted by."""
    prepare(stage)
    stage.play(
        [
            Step("GET", f"/{kind}/$v?{query}{'' if 'columns' in query else '&columns=name,durable,type'}")
            for query in SORTS
        ]
    )
    stage.play(
        [
            Step("GET", f"/{kind}/$v?sort_reverse=1&columns=name"),
            Step("GET", f"/{kind}/$v?sort_reverse=yes&columns=name"),
        ]
    )


@scenario(
    each=[
        "exchanges/$v",
        "exchanges/$v/a",
        "queues/$v",
        "queues/$v/a",
        "vhosts/$v",
        "users/guest",
        "bindings/$v",
        "permissions",
        "vhosts",
    ]
)
def columns(stage: Stage, path: str) -> None:
    """The keys that are left."""
    prepare(stage)
    stage.play([Step("GET", f"/{path}?{query}") for query in COLUMNS])


@scenario(
    each=[
        "vhosts",
        "users",
        "permissions",
        "bindings/$v",
        "policies/$v",
        "connections",
        "channels",
        "consumers",
        "nodes",
        "parameters",
        "global-parameters",
        "vhost-limits",
        "user-limits",
        "definitions/$v",
        "overview",
        "whoami",
    ]
)
def pages_of_others(stage: Stage, path: str) -> None:
    """Lists that have pages, and others."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    columns = "&columns=name,user,source,items,page,total_count"
    stage.play(
        [
            Step("GET", f"/{path}?{query}{columns}")
            for query in (
                "page=1",
                "page=1&page_size=1",
                "page=9",
                "page=0",
                "page=x",
                "page=1&page_size=501",
                "page=1&name=$v",
                "page=1&name=(&use_regex=true",
                "sort=name",
                "sort=nope",
                "sort=name&sort_reverse=true",
                "sort_reverse=true",
            )
        ]
    )


SORTED_BY_NOTHING = ("sort=", "sort=&sort_reverse=true", "sort=&columns=name", "sort=&page=1&page_size=2")


@scenario(
    since="4.0",  # before, the order is that of RabbitMQ's tables, which have none
    each=[
        *(
            "exchanges/$v",
            "queues/$v",
            "queues",
            "bindings/$v",
            "policies/$v",
            "vhosts",
            "users",
            "permissions",
        ),
        *("parameters", "global-parameters", "vhost-limits", "connections", "channels", "consumers", "nodes"),
        *("vhosts/$v/permissions", "feature-flags", "topic-permissions", "user-limits", "operator-policies/$v"),
    ],
)
def sorted_by_nothing(stage: Stage, path: str) -> None:
    """An order is asked for, and not said."""
    prepare(stage)
    stage.play([Step("GET", f"/{path}?{each}") for each in SORTED_BY_NOTHING])


@scenario(each=["exchanges/$v", "queues/$v", "policies/$v", "vhosts", "users", "permissions", "vhost-limits", "nodes"])
def reversed_by_nothing(stage: Stage, path: str) -> None:
    """The order is to be the other way round, or not, or nobody knows."""
    prepare(stage)
    said = ("", "true", "false", "TRUE", "x", "1")
    stage.play([Step("GET", f"/{path}?sort_reverse={each}{more}") for each in said for more in ("", "&sort=name")])
