"""Bunny, the usual client for Ruby, as Debian packages it."""

from interop.clients.library import Account, Checkout, Library, Program, Suite

MANAGEMENT = "the management API"

LIBRARY = Library(
    name="Bunny",
    language="Ruby",
    about="the usual client for Ruby",
    apt=("ruby-bunny", "ruby", "ruby-rspec", "ruby-rspec-junit-formatter"),
    programs=(Program("bunny", ("ruby", "-I.", "bunny_program.rb")),),
    suites=(
        Suite(
            source=Checkout("https://github.com/ruby-amqp/bunny", "2.19.0"),
            command=(
                *("rspec", "-I", "settings", "--format", "RspecJunitFormatter", "--out", "junit.xml"),
                *("spec/higher_level_api", "spec/lower_level_api", "spec/issues"),
            ),
            overlay={"bundler.rb": "settings/bundler.rb"},
            environment={"CI": "true"},
            default_port=True,
            account=Account("bunny_gem", "bunny_password", "bunny_testbed"),
            slow=True,
        ),
    ),
)
