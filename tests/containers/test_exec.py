"""What a command in a container says comes as it was said, in whatever order the engine brings it."""

import struct
from collections.abc import Iterator

import pytest

from podd.containers.exec import DockerExec
from podd.ports import STDERR, STDOUT


def frame(stream: int, text: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(text)) + text


class Said:
    """A connection on which all has been said."""

    def __init__(self, *frames: bytes) -> None:
        self._frames = frames

    def chunks(self) -> Iterator[bytes]:
        yield from self._frames

    def be_patient(self) -> None: ...


@pytest.mark.parametrize("errors_first", [False, True])
def test_errors_that_overtake_the_shells_first_word_are_errors_still(errors_first: bool) -> None:
    out, err = frame(STDOUT, b"42\nout\n"), frame(STDERR, b"err\n")
    duplex = Said(err, out) if errors_first else Said(out, err)
    command = DockerExec(
        duplex,  # type: ignore[arg-type]
        None,
        size=lambda _: None,
        kill=lambda _name, _group: None,
        exit_code=lambda: 0,
    )
    heard = list(iter(command.read, None))
    assert sorted(heard) == [(STDOUT, b"out\n"), (STDERR, b"err\n")]
