"""Celery: every program starts the workers it needs as child processes."""

from interop.clients.library import Library, Program, Sdist, Suite

NOT_OF_THE_BROKER = (
    "backend",
    "backend_leak_in_fixture_teardown",
    "cache_backend",
    "connection_recovery",
    "database_backend",
    "events_state_memory_leak",
    "loader",
    "logfile_format",
    "mem_leak_in_exception_handling",
    "redis_backend",
    "request_backend_down",
    "upgrade",
)

LIBRARY = Library(
    name="Celery",
    language="Python",
    about="distributed task queue, on kombu and py-amqp",
    pip=(
        "celery[auth,redis]==5.7.0",
        "gevent==26.9.0",
        "sqlalchemy==2.1.9",
        "pytest==9.1.1",
        "pytest-rerunfailures==16.7",
        "pytest-subtests==0.15.0",
        "pytest-timeout==2.4.0",
        "freezegun==1.5.5",
        "django==5.2.19",
        "pydantic==2.14.3",
    ),
    apt=("redis-tools",),
    programs=(
        *(
            Program(name, ("python", f"{name}.py"), timeout_s=300)
            for name in ("calls", "canvas", "delivery", "routing", "pools", "control", "quorum", "recovery")
        ),
        Program("TLS", ("python", "tls.py"), tls=True),
    ),
    suites=(
        Suite(
            source=Sdist("celery==5.7.0"),
            command=(
                "python",
                "suite.py",
                "-p",
                "celery.contrib.pytest",
                "t/integration",
                "--junit-xml=junit.xml",
                *(f"--ignore=t/integration/test_{name}.py" for name in NOT_OF_THE_BROKER),
            ),
            name="integration tests",
            overlay={"suite.py": "suite.py"},
            environment={"TEST_BROKER": "{url}", "WORKER_LOGLEVEL": "INFO"},
            timeout_s=3600.0,
            slow=True,
            flaky={
                "*::test_replaced_task_nesting_level_0": "a race in the test: it forgets what it was told if the worker"
                " is quicker than its next line",
                "*.test_trace_log_arguments::*": "they look 10 ms after a result for what the worker logs of it,"
                " which may be too early",
            },
            reasons={
                "*::test_pidbox_reset_after_repeated_control_errors": "earlier tests of its file make a worker in the"
                " same process, after which Celery refuses to wait for results there",
            },
        ),
    ),
)
