"""Real client libraries against a real broker process over real sockets.

Set AMQPY_TEST_URL to run the same tests against a broker that is already running, RabbitMQ for example.
"""
