"""Scripts that once showed a difference, drawn by chance and shortened (see interop/parity/chance)."""

from interop.parity.chance.player import play
from interop.parity.chance.steps import parse
from interop.parity.scenario import Differs, scenario
from interop.parity.script import Stage

SEVERAL_CONSUMERS = """
queue_declare('a1', queue='q1')
basic_consume('a1', queue='q1', consumer_tag='t2')
basic_consume('a1', queue='q1', consumer_tag='t1')
basic_publish('a1', routing_key='q1', times=5)
"""

SEVERAL_GETS_AND_A_CONSUMER = """
queue_declare('a1', queue='q1', arguments={'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q2'})
queue_declare('a1', queue='q2')
basic_publish('a1', routing_key='q1', times=4)
basic_get('a1', queue='q1')
basic_qos('a1', prefetch_count=2)
basic_consume('a1', queue='q1', consumer_tag='t1')
basic_cancel('a1', consumer_tag='t1')
basic_get('a1', queue='q1')
"""

OVER_ITS_LIMIT = """
queue_declare('a1', queue='q1', durable=True, arguments={'x-queue-type': 'quorum', 'x-delivery-limit': 0})
basic_qos('b1', prefetch_count=1)
basic_consume('b1', queue='q1', consumer_tag='t1')
basic_publish('a1', routing_key='q1')
basic_nack('b1', requeue=True)
basic_publish('a1', routing_key='q1', times=3)
drain('z1', queue='q1')
"""

REFUSING = """
queue_declare('a1', queue='q1', durable=True,
    arguments={'x-queue-type': 'quorum', 'x-max-length': 2, 'x-overflow': 'reject-publish'})
basic_publish('a1', routing_key='q1')
basic_publish('a1', routing_key='q1')
basic_publish('b1', routing_key='q1')
basic_get('b1', queue='q1')
basic_publish('a1', routing_key='q1')
basic_publish('c1', routing_key='q1')
basic_publish('c1', routing_key='q1')
basic_publish('b1', routing_key='q1')
"""

ANOTHER_QUEUE = """
queue_declare('a1', queue='q1')
basic_publish('a1', routing_key='q1')
basic_get('a1', queue='q1')
queue_delete('b1', queue='q1')
queue_declare('a1', queue='q1')
"""

FULL_CONSUMERS = """
queue_declare('a1', queue='q1', durable=True, arguments={{'x-queue-type': '{}'}})
basic_qos('a1', prefetch_count=2)
basic_consume('a1', queue='q1', consumer_tag='t2')
basic_publish('b1', routing_key='q1', times=2)
basic_consume('a1', queue='q1', consumer_tag='t1')
basic_publish('b1', routing_key='q1', times=5)
"""

SCRIPTS = {
    "acknowledged consumer by consumer": FULL_CONSUMERS.format("classic") + "basic_ack('a1', nth=-1, multiple=True)",
    "acknowledged consumer by consumer, quorum": FULL_CONSUMERS.format("quorum")
    + "basic_ack('a1', nth=-1, multiple=True)",
    "rejected, with room consumer by consumer": FULL_CONSUMERS.format("classic")
    + "basic_nack('a1', nth=-1, multiple=True, requeue=False)",
    "given back consumer by consumer": SEVERAL_CONSUMERS + "basic_nack('a1', nth=-1, multiple=True, requeue=True)",
    "recovered consumer by consumer": SEVERAL_CONSUMERS + "basic_recover('a1', requeue=True)",
    "rejected consumer by consumer": SEVERAL_GETS_AND_A_CONSUMER
    + "basic_nack('a1', nth=-1, multiple=True, requeue=False)\ndrain('z1', queue='q2')",
    "got, with something over behind it": """
queue_declare('a1', queue='q1', durable=True, arguments={'x-queue-type': 'quorum'})
basic_publish('b1', routing_key='q1')
basic_publish('b1', routing_key='q1', properties={'expiration': '100'})
basic_get('b1', queue='q1', no_ack=True)
""",
    "first by its priority, and over": """
queue_declare('a1', queue='q1', arguments={'x-max-priority': 3})
basic_publish('a1', routing_key='q1')
basic_publish('a1', routing_key='q1', properties={'priority': 2, 'expiration': '100'})
drain('z1', queue='q1')
""",
    "over the delivery limit, with a prefetch": OVER_ITS_LIMIT,
    "refused channel by channel": REFUSING,
    "acknowledged when there is another queue of that name": ANOTHER_QUEUE
    + """
basic_publish('a1', routing_key='q1')
basic_get('a1', queue='q1')
basic_ack('a1')
channel_close('a1')
""",
    "no queue of that name by the time of the commit": """
queue_declare('a1', queue='q1')
queue_declare('a1', queue='q2')
queue_declare('a1', queue='q3')
exchange_declare('a1', exchange='x1', exchange_type='fanout')
queue_bind('a1', queue='q1', exchange='x1')
queue_bind('a1', queue='q2', exchange='x1')
queue_bind('a1', queue='q3', exchange='x1')
basic_publish('a1', routing_key='q1')
tx_select('b1')
basic_get('b1', queue='q1')
basic_ack('b1')
basic_publish('b1', routing_key='q3')
basic_publish('b1', exchange='x1')
basic_publish('b1', routing_key='q3')
queue_delete('a1', queue='q2')
tx_commit('b1')
drain('z1', queue='q1')
drain('z1', queue='q3')
""",
    "no quorum queue of that name by the time of the commit": """
queue_declare('a1', queue='q1', durable=True, arguments={'x-queue-type': 'quorum'})
tx_select('b1')
basic_publish('b1', routing_key='q1')
queue_delete('a1', queue='q1')
tx_commit('b1')
""",
    "another queue of that name by the time of the commit": """
queue_declare('a1', queue='q1')
tx_select('b1')
basic_publish('b1', routing_key='q1')
queue_delete('a1', queue='q1')
queue_declare('a1', queue='q1')
tx_commit('b1')
""",
    "given back by one commit": """
queue_declare('a1', queue='q1')
tx_select('a1')
basic_publish('a1', routing_key='q1', times=3)
basic_consume('a1', queue='q1', consumer_tag='t1')
tx_commit('a1')
basic_reject('a1', nth=2, requeue=True)
basic_nack('a1', requeue=True)
tx_commit('a1')
""",
    "over its time behind one that is over the limit": """
queue_declare('a1', queue='q1',
    arguments={'x-max-length': 2, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q2'})
queue_declare('a1', queue='q2')
basic_publish('a1', routing_key='q1')
basic_publish('a1', routing_key='q1', properties={'expiration': '100'})
basic_publish('a1', routing_key='q1', times=2)
drain('z1', queue='q2')
""",
    "room again, at the back": """
queue_declare('a1', queue='q1', durable=True, arguments={'x-queue-type': 'quorum'})
basic_qos('a1', prefetch_count=1)
basic_consume('a1', queue='q1', consumer_tag='t1')
basic_consume('b1', queue='q1', consumer_tag='t2')
basic_publish('a1', routing_key='q1', times=2)
basic_ack('a1')
basic_publish('a1', routing_key='q1', times=3)
basic_nack('a1', requeue=False)
basic_publish('a1', routing_key='q1')
""",
    "deleted with its last consumer before anything is given back": """
queue_declare('a1', queue='q1', auto_delete=True,
    arguments={'x-max-length-bytes': 2, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q2'})
queue_declare('a1', queue='q2')
basic_consume('b1', queue='q1', consumer_tag='t1')
basic_publish('b1', routing_key='q1', times=2)
channel_close('b1')
drain('z1', queue='q2')
""",
}

# The properties of a message with nothing but x-delivery-count, which is 0.
COUNT_OF_0 = r"' \x00\x00\x00\x00\x1a\x10x-delivery-countl" + r"\x00" * 8 + "'"

# Where amqpy does not do what RabbitMQ 3.10 does, and means it.
EMPTY = "size=0 properties='\\x00\\x00'"
DIFFERENT = {
    "first by its priority, and over": Differs(
        "RabbitMQ does not look at a message that overtakes the others: it lives on, and is even delivered",
        [
            "    q1: 2 ready, 0 consumers",
            "drain('z1', queue='q1')",
            "    z1: basic.get-ok delivery_tag=1 redelivered=False exchange='' routing_key='q1.*' message_count=1",
            "    z1: header class=60 weight=0 size=0 properties='\\t\\x00\\x02\\x03100'",
            "    q1: 1 ready, 0 consumers",
            "    z1: basic.get-ok delivery_tag=2 redelivered=False exchange='' routing_key='q1.*' message_count=0",
        ],
        [
            "drain('z1', queue='q1')",
            "    z1: basic.get-ok delivery_tag=1 redelivered=False exchange='' routing_key='q1.*' message_count=0",
        ],
    ),
    "acknowledged when there is another queue of that name": Differs(
        "an answer to a message of a queue that is gone settles nothing; RabbitMQ loses one of the new queue for it",
        ["    a1: channel.close-ok"],
        ["    a1: channel.close-ok", "    q1: 1 ready, 0 consumers"],
    ),
    "over the delivery limit, with a prefetch": Differs(
        "RabbitMQ gives the credit for a message over the limit back twice, for good",
        [
            "    b1: basic.deliver consumer_tag='t1' delivery_tag=3 redelivered=False exchange='' routing_key='q1.*'",
            "    b1: header class=60 weight=0 size=2 properties='\\x00\\x00'",
            "    b1: body '/1'",
            "    q1: 1 ready, 1 consumers",
            "drain('z1', queue='q1')",
            "    z1: basic.get-ok delivery_tag=1 redelivered=False exchange='' routing_key='q1.*' message_count=0",
        ],
        [
            "    q1: 2 ready, 1 consumers",
            "drain('z1', queue='q1')",
            "    z1: basic.get-ok delivery_tag=1 redelivered=False exchange='' routing_key='q1.*' message_count=1",
            f"    z1: header class=60 weight=0 size=2 properties={COUNT_OF_0}",
            "    z1: body '/1'",
            "    q1: 1 ready, 1 consumers",
            "    z1: basic.get-ok delivery_tag=2 redelivered=False exchange='' routing_key='q1.*' message_count=0",
        ],
        before="4.0",
    ),
    "refused channel by channel": Differs(
        "whether a full quorum queue refuses is its own state, and not that of each channel",
        ["    q1: 3 ready, 1 consumers"],
        [],
    ),
}


@scenario(each=SCRIPTS, differs=DIFFERENT, confirms_apart=True)
def found(stage: Stage, script: str) -> None:
    """What RabbitMQ does to each step of a script that was drawn by chance."""
    play(parse(script), stage)
