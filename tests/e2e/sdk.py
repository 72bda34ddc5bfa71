"""The unmodified client SDK in a process of its own, as users have it.

`Sdk(...)` runs this file; what it is asked to do are lines of Python, which see `runpod` and what earlier
lines have left.
"""

import json
import os
import subprocess
import sys
import traceback
from typing import Any


class SdkError(Exception):
    """What the SDK raised: `kind` is the name of the exception's class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Sdk:
    """`sdk("runpod.get_pods()")` is the value of the expression; `sdk.do("x = 1")` only does it."""

    def __init__(self, url: str, key: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**environment, "RUNPOD_API_BASE_URL": url, "RUNPOD_ENDPOINT_BASE_URL": f"{url}/v2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.do(f"runpod.api_key = {key!r}")

    def __call__(self, expression: str) -> Any:
        return self._ask("eval", expression)

    def do(self, statements: str) -> None:
        self._ask("exec", statements)

    def close(self) -> None:
        self._process.communicate(timeout=10)

    def _ask(self, how: str, code: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([how, code]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "kind" in answer:
            raise SdkError(answer["kind"], answer["message"])
        return answer["value"]


def _carry_out(how: str, code: str, names: dict[str, Any]) -> Any:
    """The value of an expression; None for statements."""
    if how == "eval":
        return eval(code, names)
    exec(code, names)
    return None


def main() -> None:
    # What the SDK prints is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import runpod

    names: dict[str, Any] = {"runpod": runpod}
    for line in sys.stdin:
        how, code = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"value": _carry_out(how, code, names)}
        except Exception as error:
            traceback.print_exc()
            answer = {"kind": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
