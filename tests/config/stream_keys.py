"""Keys of rabbitmq.conf for the stream protocol, and the settings that they are."""

OF_STREAMS: list[tuple[str, str, object]] = [
    ("stream.listeners.tcp.default = 5553", "stream_listen", ("0.0.0.0:5553", "[::]:5553")),
    ("stream.listeners.tcp.1 = 127.0.0.1:5553", "stream_listen", ("127.0.0.1:5553",)),
    (
        "stream.listeners.ssl.1 = 127.0.0.1:5551\nstream.listeners.tcp = none",
        "stream_listen",
        ("amqps://127.0.0.1:5551",),
    ),
    ("stream.listeners.tcp.1 = 10.0.0.1:1\nstream.listeners.ssl = none", "stream_listen", ("10.0.0.1:1",)),
    ("stream.listeners.ssl.default = 5551", "stream_listen", ("amqps://0.0.0.0:5551", "amqps://[::]:5551")),
    ("stream.frame_max = 65536", "stream_frame_max", 65536),
    ("stream.heartbeat = 20", "stream_heartbeat", 20),
    ("stream.advertised_host = broker", "stream_advertised_host", "broker"),
    ("stream.advertised_port = 5553", "stream_advertised_port", 5553),
    ("stream.advertised_tls_host = secure", "stream_advertised_tls_host", "secure"),
    ("stream.advertised_tls_port = 5554", "stream_advertised_tls_port", 5554),
]
