"""The server: on memory streams with virtual time, and on real sockets for what only those can show."""
