"""Streams: logs of messages that stay, in segments of chunks; pure, without queues and clients."""
