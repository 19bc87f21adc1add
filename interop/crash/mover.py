"""Somebody who moves messages from one queue to another, over the management API."""

import http.client
import json
import random
import threading
from base64 import b64encode

from interop.crash.actors import Round
from interop.crash.topology import MOVED_FROM, MOVED_TO

TIMEOUT_S = 20.0
PAUSE_S = 0.05
DIGITS = ("", "", "1", "2", "7")
"""Texts in the bodies of messages that are moved: nothing is in all of them."""


class Mover(threading.Thread):
    """Moves all messages, or some out of their midst, again and again."""

    def __init__(self, round_: Round, port: int, seed: str) -> None:
        super().__init__(name="mover", daemon=True)
        self.round = round_
        self.port = port
        self.random = random.Random(seed)

    def run(self) -> None:
        history = self.round.history
        try:
            while not self.round.stopping.wait(self.random.random() * PAUSE_S):
                told = self._move()
                history.counts["moved"] += told["moved"]
                stays = {key: told[key] for key in ("unroutable", "refused", "without_origin") if told[key]}
                if stays or "stopped" in told:
                    history.find("move", f"{MOVED_FROM}: {stays}, {told.get('stopped', 'not stopped')}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self.round.struck:
                history.find("connection", f"{self.name}: {type(error).__name__}: {error}")
        except Exception as error:
            history.find("harness", f"{self.name}: {error!r}")
            raise

    def _move(self) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        asked = {"to": {"routing_key": MOVED_TO}, "filter": {"body": self.random.choice(DIGITS)}}
        try:
            credentials = b64encode(b"guest:guest").decode()
            headers = {"authorization": f"Basic {credentials}", "content-type": "application/json"}
            connection.request("POST", f"/api/queues/%2F/{MOVED_FROM}/move", json.dumps(asked), headers)
            response = connection.getresponse()
            answer: dict[str, int] = json.loads(response.read())
            if response.status != 200:
                raise ValueError(f"{response.status}: {answer}")
            return answer
        finally:
            connection.close()
