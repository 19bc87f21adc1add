"""An actor for dramatiq's command line. What it finds goes to a queue that no worker consumes."""

import json
import os

import dramatiq
from checks import URL, name_of
from dramatiq.brokers.rabbitmq import RabbitmqBroker

broker = RabbitmqBroker(url=URL)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=name_of("squares"))
def square(number):
    broker.channel.basic_publish("", name_of("found"), json.dumps([number * number, os.getpid()]).encode())
