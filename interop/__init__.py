"""Programs that hold amqpy against other software: brokers, clients, benchmarks."""
