"""What the person at the terminal sees: a line for each step, with a spinner while it runs."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

Say = Callable[[str], None]


class Screen:
    """Prints to standard output. `times` has the steps that went well, with the seconds each took."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self._console = Console(
            file=cast(IO[str], _Output(sys.stdout)), highlight=False, markup=False, soft_wrap=True
        )
        unicode = self._console.encoding.startswith("utf")
        self._done, self._failed = ("✓", "✗") if unicode else ("ok", "failed:")
        self._spinner = "dots" if unicode else "line"

    def print(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(text, style))

    def print_all(self, lines: Iterable[str], style: str = "") -> None:
        """Each line, indented."""
        for line in lines:
            self.print(f"    {line}", style)

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """Show that the step is under way, then how it went. What it says is shown below its line; while it
        runs, the latest stands beside the spinner."""
        said: list[str] = []
        began = time.monotonic()
        try:
            with self._turning(title) as beside:

                def say(text: str) -> None:
                    said.extend(text.splitlines() or [""])
                    beside(said[-1])

                yield say
        except BaseException:
            self._finish(self._failed, "red", title, time.monotonic() - began, said)
            raise
        seconds = time.monotonic() - began
        self.times.append((title, seconds))
        self._finish(self._done, "green", title, seconds, said)

    # Private

    @contextmanager
    def _turning(self, title: str) -> Iterator[Say]:
        if not self._console.is_terminal:
            yield lambda _line: None
            return
        with self._console.status(_one_line(title), spinner=self._spinner) as status:
            yield lambda line: status.update(_one_line(f"{title}: {line}"))

    def _finish(self, mark: str, style: str, title: str, seconds: float, said: list[str]) -> None:
        line = Text.assemble((mark, style), " ", (title, "bold"), f"  {seconds:.1f} s")
        self._console.print(line)
        self.print_all(said)


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


class _Output:
    """A file that may go away: a reader that has left, or a closed terminal, must not stop the clean-up."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except OSError:
            return self._give_up()

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError:
            self._give_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _give_up(self) -> int:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
        return 0
