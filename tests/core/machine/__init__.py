"""Any sequence of operations on queues with arguments, judged step by step."""
