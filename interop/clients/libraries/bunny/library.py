"""Bunny, the usual client for Ruby, as Debian packages it."""

from interop.clients.library import Account, Checkout, Library, Program, Suite

ACCOUNT = Account("bunny_gem", "bunny_password", "bunny_testbed")

LIBRARY = Library(
    name="Bunny",
    language="Ruby",
    about="the usual client for Ruby",
    apt=("ruby-bunny", "ruby", "ruby-rspec", "ruby-rspec-junit-formatter"),
    programs=(Program("bunny", ("ruby", "-I.", "bunny_program.rb")),),
    remarks=(
        "three files of its own tests are left out: they need gems that Debian does not have (the management API's"
        " client, Toxiproxy)",
    ),
    suites=(
        Suite(
            source=Checkout("https://github.com/ruby-amqp/bunny", "2.19.0"),
            command=(
                *("rspec", "-I", "settings", "--format", "RspecJunitFormatter", "--out", "junit.xml"),
                *("--exclude-pattern", "**/{connection_recovery,connection_stop,toxiproxy}_spec.rb"),
                *("spec/higher_level_api", "spec/lower_level_api", "spec/issues"),
            ),
            overlay={"bundler.rb": "settings/bundler.rb"},
            environment={"CI": "true"},
            default_port=True,
            account=ACCOUNT,
            slow=True,
            reasons={
                "*read_only_consumer_spec::*": "comes as a third user, who may only read; the runner makes one user"
            },
        ),
        Suite(
            name="own tests, TLS",
            source=Checkout("https://github.com/ruby-amqp/bunny", "2.19.0"),
            prepare=(
                ("cp", "{authority}", "spec/tls/ca_certificate.pem"),
                ("cp", "{certificate}", "spec/tls/client_certificate.pem"),
                ("cp", "{certificate}", "spec/tls/client_key.pem"),
            ),
            command=(
                *("rspec", "-I", "settings", "--format", "RspecJunitFormatter", "--out", "junit.xml"),
                "spec/higher_level_api/integration/tls_connection_spec.rb",
            ),
            overlay={"bundler.rb": "settings/bundler.rb"},
            default_port=True,
            account=ACCOUNT,
            slow=True,
            tls=True,
        ),
    ),
)
