"""Users.

Source: `rabbit_mgmt_wm_users`, `rabbit_mgmt_wm_user`, `rabbit_mgmt_wm_users_bulk_delete`.
"""

from amqpy.core.administration import bodies, views
from amqpy.core.jobs import Steps, each
from amqpy.core.users import User
from amqpy.management import access
from amqpy.management.answers import DONE, Answer, bad_request, not_found, put
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.request import require
from amqpy.management.router import Router
from amqpy.management.turns import Later


def add_to(router: Router) -> None:
    router.get("/users", access.administrator)(list_users)
    router.get("/users/without-permissions", access.administrator)(list_users_without_permissions)
    router.post("/users/bulk-delete", access.administrator)(delete_users)
    router.get("/users/{user}", access.administrator)(show_user)
    router.put("/users/{user}", access.administrator)(put_user)
    router.delete("/users/{user}", access.administrator)(delete_user)


def list_users(call: Call) -> Listing:
    return _listing(call, list(call.api.users))


def list_users_without_permissions(call: Call) -> Listing:
    known = {name for vhost in call.broker.vhosts.values() for name in vhost.permissions}
    return _listing(call, [user for user in call.api.users if user.name not in known])


def _listing(call: Call, users: list[User]) -> Listing:
    users.sort(key=lambda user: user.name)
    if call.has("paged-users"):
        return Listing(users, views.user, paged=lambda user: user.name)
    return Listing(users, views.user, by=("name",))


def find_user(call: Call) -> User:
    user = call.api.users.find(call.names["user"])
    if user is None:
        raise not_found()
    return user


def show_user(call: Call) -> View:
    return views.user(find_user(call))


def put_user(call: Call) -> Answer:
    name, users = call.names["user"], call.api.users
    is_new = users.find(name) is None
    bodies.put_user(users, name, bodies.user(call.body))
    return put(is_new)


def delete_user(call: Call) -> Answer:
    call.api.users.delete_user(find_user(call).name)
    return DONE


def delete_users(call: Call) -> Later:
    """Deletes one after the other; in older versions up to the first that does not exist."""
    (names,) = require(call.body, "users")
    if not isinstance(names, list):
        raise bad_request(["not_list", "users"])
    unknown: list[object] = []
    call.broker.scheduler.jobs.do(_delete_all(call, names, unknown))

    def answer() -> Answer:
        if unknown:
            raise bad_request(["no_such_user", unknown[0]])
        return DONE

    return answer


def _delete_all(call: Call, names: list[object], unknown: list[object]) -> Steps:
    for name in each(names):
        if not isinstance(name, str) or call.api.users.find(name) is None:
            if isinstance(name, str) and not call.has("bulk-delete-stops"):
                continue
            unknown.append(name)
            return
        with call.broker.events.on_behalf_of(call.user.name):
            call.api.users.delete_user(name)
        yield len(call.broker.vhosts)
