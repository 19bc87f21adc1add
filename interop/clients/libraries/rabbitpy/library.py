"""rabbitpy."""

from interop.clients.library import Library, Program, Sdist, Suite

LIBRARY = Library(
    name="rabbitpy",
    language="Python",
    about="thread-safe and small",
    pip=("rabbitpy==3.0.2", "pytest", "python-dotenv"),
    programs=(
        Program("usual", ("python", "usual.py"), timeout_s=300.0),
        Program("errors", ("python", "errors.py")),
        Program("patterns", ("python", "patterns.py")),
    ),
    suites=(
        Suite(
            source=Sdist("rabbitpy==3.0.2"),
            command=(
                *("python", "-m", "pytest", "-q", "-c", "pyproject.toml", "--junit-xml=junit.xml"),
                *("tests/test_integration.py", "tests/integration"),
            ),
            environment={"RABBITMQ_URL": "{url}"},
        ),
    ),
    remarks=("its own tests are those that talk to a broker: the others bring their own server",),
)
