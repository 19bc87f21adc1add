"""The user that exists from the start."""

from amqpy.config import Config
from amqpy.core.permissions import Permission
from amqpy.core.users import Users
from tests.amqp.client import make_broker


def test_its_tags_and_permissions_are_settings() -> None:
    config = Config(
        default_user="app",
        default_vhost="orders",
        default_user_tags=("monitoring", "policymaker"),
        default_permissions_configure="^c",
        default_permissions_write="^w",
        default_permissions_read="^r",
    )
    broker = make_broker(config)
    users = Users(broker, lambda: b"salt")
    assert users.user("app").tags == ("monitoring", "policymaker")
    assert broker.vhosts["orders"].permissions == {"app": Permission("^c", "^w", "^r")}
