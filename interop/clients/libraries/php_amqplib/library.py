"""php-amqplib, the usual client for PHP, as Debian packages it."""

from interop.clients.library import Checkout, Library, Program, Suite

LIBRARY = Library(
    name="php-amqplib",
    language="PHP",
    about="the usual client for PHP",
    apt=("php-amqplib", "php-cli", "phpunit"),
    programs=(Program("php-amqplib", ("php", "php_amqplib.php")),),
    suites=(
        Suite(
            source=Checkout("https://github.com/php-amqplib/php-amqplib", "v3.5.3"),
            prepare=(
                ("cp", "{authority}", "tests/certs/ca_certificate.pem"),
                ("cp", "{authority}", "tests/certs/hashed/ca.pem"),
                ("openssl", "rehash", "tests/certs/hashed"),
                ("cp", "{certificate}", "tests/certs/client_certificate.pem"),
                ("cp", "{certificate}", "tests/certs/client_key.pem"),
            ),
            command=(
                *("phpunit", "--no-configuration", "--bootstrap", "tests/bootstrap.php"),
                *("--exclude-group", "ssl,proxy", "--log-junit", "junit.xml", "tests/Functional"),
            ),
            overlay={"autoload.php": "vendor/autoload.php"},
            default_port=True,
            slow=True,
            reasons={
                "*.ConnectionAuthTest::plain_auth_passwordless_must_fail": "needs Httpful, which Debian does not have",
            },
        ),
    ),
)
