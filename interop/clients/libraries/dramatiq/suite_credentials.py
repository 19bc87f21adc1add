"""What dramatiq's tests import from a module that its source distribution leaves out."""

import pika
import pytest

RABBITMQ_USERNAME = "guest"
RABBITMQ_PASSWORD = "guest"
RABBITMQ_CREDENTIALS = pika.PlainCredentials(RABBITMQ_USERNAME, RABBITMQ_PASSWORD)

skip_unless_rabbit_mq = pytest.mark.skipif(False, reason="there is always a broker")
