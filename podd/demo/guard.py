"""The demo's work is done by a child of the process its user sees: SIGKILL to that one reaches the child as
SIGTERM, and it cleans up."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

from podd.demo.signals import HEARD

_PR_SET_PDEATHSIG = 1


def guarded(work: Callable[[], int]) -> int:
    """Do the work in a child process; its exit code. Signals are passed on to it, and it gets SIGTERM when
    this process is gone; the work lets them in by `Signals`. To be called while there is one thread."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # Nothing may get lost between the fork and the first handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    child = os.fork()
    if child == 0:
        _work_for(parent, work)
    return _await(child)


def _work_for(parent: int, work: Callable[[], int]) -> None:
    exit_code = 1
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == parent:
            exit_code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def _await(child: int) -> int:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    before = {number: signal.getsignal(number) for number in HEARD}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    exit_code = os.waitstatus_to_exitcode(status)
    return exit_code if exit_code >= 0 else 128 - exit_code
