"""A headless Chromium, steered over a pipe by its DevTools protocol."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run")
TIMEOUT = 15.0  # seconds
LOCAL = ("file:", "data:", "blob:", "about:")


class CallError(Exception):
    """What Chromium answers to a call that it cannot do."""


class Browser:
    """One page of a browser; use it as a context manager.

    Attributes:
        requests: the URLs of everything that the page asked for.
    """

    def __init__(self, profile: Path):
        self.requests: list[str] = []
        self._number = 0
        self._rest = b""
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # Chromium reads commands on descriptor 3 and answers on 4.
        shell = 'exec "$@" 3<&"$IN" 4>&"$OUT"'
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                shell,
                "chromium",
                CHROMIUM,
                *ARGUMENTS,
                f"--user-data-dir={profile}",
                "--window-size=1500,1000",
            ],
            env={**os.environ, "IN": str(commands), "OUT": str(answers)},
            pass_fds=(commands, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, **parameters: object) -> dict:
        return self._call(method, session=self._session, **parameters)

    def _call(self, method: str, session: str | None = None, **parameters: object) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise CallError(answer)
                return answer["result"]

    def _next(self) -> dict:
        while b"\0" not in self._rest:
            chunk = os.read(self._answers, 1 << 20)
            assert chunk, "Chromium ended"
            self._rest += chunk
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def evaluate(self, expression: str, **where: object) -> object:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **where)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def evaluate_in_frames(self, expression: str) -> list:
        """The values of an expression in each frame inside the page."""
        tree = self.call("Page.getFrameTree")["frameTree"]
        worlds = [
            self.call("Page.createIsolatedWorld", frameId=child["frame"]["id"])["executionContextId"]
            for child in tree.get("childFrames", [])
        ]
        return [self.evaluate(expression, contextId=world) for world in worlds]

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression holds."""
        end = time.monotonic() + TIMEOUT
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"{condition} does not hold after {TIMEOUT} s"
            time.sleep(0.05)

    def wait_for_frames(self, condition: str) -> None:
        """Wait until a JavaScript expression holds in each frame; one that is loading answers nothing."""
        end = time.monotonic() + TIMEOUT
        while True:
            with contextlib.suppress(CallError):
                if all(self.evaluate_in_frames(condition)):
                    return
            assert time.monotonic() < end, f"{condition} does not hold in all frames after {TIMEOUT} s"
            time.sleep(0.05)

    def open(self, path: Path) -> None:
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("document.readyState === 'complete'")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
