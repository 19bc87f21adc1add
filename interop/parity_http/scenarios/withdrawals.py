"""Clients who go away without a word. It comes last: a server that keeps their places has none left for others."""

from interop.parity_http.scenario import scenario
from interop.parity_http.side import authorization
from interop.parity_http.stage import Stage

MANY = 4000
"""Connections, more than a server has at a time."""


@scenario()
def after_an_answer(stage: Stage) -> None:
    """They ask once and hang up."""
    headers = {"authorization": authorization(stage.side.user, stage.side.password)}
    answered = 0
    while answered < MANY:
        if stage.side.client.ask("GET", "/api/whoami", headers, says_goodbye=False).status != 200:
            break
        answered += 1
    stage.note(f"{answered} of {MANY} were answered")
