"""py-amqp, the client beneath Kombu and Celery."""

from interop.clients.library import Library, Program, Sdist, Suite

CERTIFICATES = ("key", "certificate", "certificate_broken")
"""What its tests call files that have our certificate and its key; the key of the broken one is another."""

IN_TLS = "tls and not default_certs"
"""Two tests more ask a host on the Internet."""

LIBRARY = Library(
    name="py-amqp",
    language="Python",
    about="the client beneath Kombu and Celery",
    pip=("amqp==5.4.2", "pytest==9.1.1"),
    programs=(
        Program("channels", ("python", "channels.py")),
        Program("extensions", ("python", "extensions.py")),
    ),
    suites=(
        Suite(
            source=Sdist("amqp==5.4.2"),
            command=("python", "-m", "pytest", "t/integration/test_rmq.py", "-k", "plain", "--junit-xml=junit.xml"),
            environment={"RABBITMQ_HOST": "{host}", "RABBITMQ_5672_TCP": "{port}"},
        ),
        Suite(
            name="own tests, TLS",
            source=Sdist("amqp==5.4.2"),
            prepare=(
                ("mkdir", "t/certs"),
                ("cp", "{authority}", "t/certs/ca_certificate.pem"),
                *(("cp", "{certificate}", f"t/certs/client_{name}.pem") for name in CERTIFICATES),
                ("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-out", "t/certs/client_key_broken.pem"),
            ),
            command=("python", "-m", "pytest", "t/integration/test_rmq.py", "-k", IN_TLS, "--junit-xml=junit.xml"),
            environment={"RABBITMQ_HOST": "{host}", "RABBITMQ_5671_TCP": "{tls_port}"},
            tls=True,
        ),
    ),
)
