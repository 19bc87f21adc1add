"""The conversation: bytes into a ConnectionSession, bytes out of its outbox, time as an argument."""
