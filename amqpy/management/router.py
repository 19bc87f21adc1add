"""The table of addresses: which function handles a method of a path, and who may ask for it.

A path is cut at its slashes before anything in it is decoded, since a virtual host's name may contain one.

Source: `rabbit_mgmt_dispatcher`, `rabbit_mgmt_wm_*`: `allowed_methods`, `is_authorized`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from amqpy.management.answers import JSON
from amqpy.management.responses import OF_ONE_TYPE, OF_RESOURCES

if TYPE_CHECKING:
    from amqpy.core.users import Credentials
    from amqpy.management.access import Rule
    from amqpy.management.call import Call
    from amqpy.management.request import Request

ONE_TYPE = frozenset(
    {
        "actions",
        "contents",
        "enable",
        "operator-policies",
        "rebalance",
        "reset",
        "start",
        "topic-permissions",
        "user-limits",
        "vhost-limits",
    }
)
"""Parts of paths whose resources RabbitMQ has in JSON only; others are there in Erlang's format, too."""

METHODS = ("HEAD", "GET", "POST", "PUT", "DELETE", "OPTIONS")
"""Those that resources have, in the order in which they are listed."""

KNOWN = frozenset({*METHODS, "PATCH"})

NOT_KEPT = {"cache-control": "no-cache, no-store, max-age=0, must-revalidate", "pragma": "no-cache", "expires": "0"}
"""The headers of what must not be cached."""

Handler: TypeAlias = Callable[[Any], object]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True)
class Endpoint:
    """A method of a resource."""

    handle: Handler
    rule: "Rule"
    types: tuple[str, ...] = ()
    """The content types that a body must have one of; none if that does not matter."""
    credentials: "Callable[[Request], Credentials] | None" = None
    """Finds the credentials in the body, where these are not in the header Authorization."""
    exists: "Callable[[Call], None] | None" = None
    """Refuses a request about what is not there, before its content type is looked at; None if that comes later."""
    feature: str = ""
    """The name of what not every version of RabbitMQ has (`Profile.management`); none if all have it."""
    produces: str = JSON
    """The content type of its answers, but for refusals."""


@dataclass
class Resource:
    """A path, and what can be done with it."""

    template: str
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    has_head: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that all of its answers have."""
    has_login_in_query: bool = False
    """True if a browser may have credentials in the address, since it can say no header when it downloads."""

    def served(self, features: Collection[str]) -> dict[str, Endpoint]:
        """The methods, but for those that are not among the features."""
        return {
            method: endpoint
            for method, endpoint in self.endpoints.items()
            if not endpoint.feature or endpoint.feature in features
        }

    @property
    def vary(self) -> str:
        """The header `vary` of its answers."""
        return OF_ONE_TYPE if ONE_TYPE & set(self.template.split("/")) else OF_RESOURCES

    def allowed(self, served: Collection[str]) -> list[str]:
        """The methods that may be used if these are served."""
        known = {*served, "OPTIONS"}
        if "GET" in known and self.has_head:
            known.add("HEAD")
        return [method for method in METHODS if method in known]


class Node:
    """A place in the tree of paths."""

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.variable: Node | None = None
        self.name = ""
        """The variable that its parent has it for."""
        self.resource: Resource | None = None


class Router:
    """Resources by their paths. In a template such as `/queues/{vhost}/{queue}`, a part in braces is any segment; a
    part that is spelled out is preferred."""

    def __init__(self) -> None:
        self._root = Node()

    def __iter__(self) -> Iterator[Resource]:
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if node.resource is not None:
                yield node.resource
            waiting += node.children.values()
            if node.variable is not None:
                waiting.append(node.variable)

    def get(
        self, template: str, rule: "Rule", *, head: bool = True, feature: str = "", produces: str = JSON
    ) -> Callable[[H], H]:
        """Handles GET, and HEAD unless it says otherwise."""
        resource = self._at(template)
        resource.has_head = resource.has_head and head
        return self._adding("GET", resource, rule, feature=feature, produces=produces)

    def put(self, template: str, rule: "Rule", types: tuple[str, ...] = ()) -> Callable[[H], H]:
        return self._adding("PUT", self._at(template), rule, types)

    def post(
        self,
        template: str,
        rule: "Rule",
        types: tuple[str, ...] = (),
        *,
        credentials: "Callable[[Request], Credentials] | None" = None,
        exists: "Callable[[Call], None] | None" = None,
    ) -> Callable[[H], H]:
        return self._adding("POST", self._at(template), rule, types, credentials, exists)

    def delete(self, template: str, rule: "Rule", *, feature: str = "") -> Callable[[H], H]:
        return self._adding("DELETE", self._at(template), rule, feature=feature)

    def is_never_kept(self, template: str) -> None:
        """No answer may be cached, not even one that must be asked for again."""
        self._at(template).headers = NOT_KEPT

    def takes_login_in_query(self, template: str) -> None:
        """Credentials for the resource may be in the parameters `auth` and `token`."""
        self._at(template).has_login_in_query = True

    def _adding(
        self,
        method: str,
        resource: Resource,
        rule: "Rule",
        types: tuple[str, ...] = (),
        credentials: "Callable[[Request], Credentials] | None" = None,
        exists: "Callable[[Call], None] | None" = None,
        feature: str = "",
        produces: str = JSON,
    ) -> Callable[[H], H]:
        def add(handle: H) -> H:
            resource.endpoints[method] = Endpoint(handle, rule, types, credentials, exists, feature, produces)
            return handle

        return add

    def _at(self, template: str) -> Resource:
        node = self._root
        for part in template.strip("/").split("/"):
            if part.startswith("{"):
                node.variable = node.variable or Node()
                node = node.variable
                name = part.strip("{}")
                assert node.name in {"", name}, f"{template}: the same segment is {node.name} elsewhere"
                node.name = name
            else:
                node = node.children.setdefault(part, Node())
        node.resource = node.resource or Resource(template)
        return node.resource

    def match(self, segments: Sequence[str]) -> tuple[Resource, Mapping[str, str]] | None:
        """Finds the resource of a path, and the values of its variables."""
        return _match(self._root, segments, {})


def _match(node: Node, segments: Sequence[str], names: dict[str, str]) -> tuple[Resource, Mapping[str, str]] | None:
    if not segments:
        return None if node.resource is None else (node.resource, names)
    first, rest = segments[0], segments[1:]
    if (child := node.children.get(first)) is not None and (found := _match(child, rest, names)) is not None:
        return found
    if node.variable is None:
        return None
    return _match(node.variable, rest, {**names, node.variable.name: first})
