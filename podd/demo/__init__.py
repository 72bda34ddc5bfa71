"""`podd demo`: a pod and a serverless job on a podd of its own, from nothing to a clean machine.

Here is what is shown and in which order; the acts are in `pod` and `serverless`, the podd they play on is
`place`.
"""

import importlib.util
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from podd.config import ConfigError, Settings, load, shipped
from podd.demo.failure import DemoError
from podd.demo.guard import guarded
from podd.demo.images import Images
from podd.demo.place import Ending, Place
from podd.demo.pod import PodTour
from podd.demo.screen import Say, Screen
from podd.demo.serverless import EndpointTour
from podd.demo.signals import Interrupted, Signals

ENGINES = ("auto", "docker", "process")
LOG_LINES = 20

Step = tuple[str, Callable[[Say], None]]

NEXT = f"""\
podd doctor                 says whether this machine is ready for the real thing
podd serve                  runs podd; {shipped("podd.toml")} explains its settings
podd accounts create EMAIL  makes your account and prints its API key
Then send the runpod package and other clients there:
export RUNPOD_API_BASE_URL=http://127.0.0.1:8484 RUNPOD_ENDPOINT_BASE_URL=http://127.0.0.1:8484/v2"""


def run(engine: str, config: Path | None) -> int:
    """Show podd at work. The exit code: 0 if all went well and nothing is left, 1 if not, 2 for wrong use,
    128 and the signal's number if one ended it.

    `config` is a settings file; directory, address, engine and GPUs are the demo's own all the same.
    """
    screen = Screen()
    if importlib.util.find_spec("runpod") is None:
        screen.print("podd demo: it needs the package runpod: pip install 'podd[demo]'", "red")
        return 1
    try:
        settings = _checked(engine, config)
    except (DemoError, ConfigError) as error:
        screen.print(f"podd demo: {error}", "red")
        return 2
    return guarded(lambda: _tour(screen, engine, config, settings))


def _tour(screen: Screen, engine: str, config: Path | None, settings: Settings) -> int:
    with Signals() as signals:
        screen.print("podd demo: a pod and a serverless job on this machine, and nothing left of them.\n")
        place = Place(engine, config)
        images = Images(place)
        exit_code = 1
        try:
            exit_code = _play(screen, signals, place, _steps(place, images, settings))
        finally:
            clean = _clean_up(screen, [*place.endings(), ("images", images.remove)])
    if exit_code == 0 and clean:
        _say_goodbye(screen)
    return exit_code if clean else exit_code or 1


def _steps(place: Place, images: Images, settings: Settings) -> list[Step]:
    pod = PodTour(place, images, settings)
    endpoint = EndpointTour(place, images)
    return [
        ("Start podd", place.await_ready),
        ("Make an account and an API key", place.make_account),
        ("Get images", images.provide),
        ("Create a pod, as RunPod's documentation does", pod.create),
        ("Wait until the pod runs", pod.await_runtime),
        ("Look into the pod's container", pod.look_inside),
        ("Stop the pod", pod.stop),
        ("Resume the pod, with its data", pod.resume),
        ("List the pods", pod.list_all),
        ("Terminate the pod", pod.terminate),
        ("Create a serverless endpoint, with the runpod package", endpoint.create),
        ("Run a job and wait for it: from no worker to one", endpoint.run_sync),
        ("Queue a job and fetch its output", endpoint.run),
        ("Wait until the idle worker is stopped: from one to none", endpoint.await_idle),
        ("Delete the endpoint", endpoint.delete),
    ]


# Private


def _checked(engine: str, config: Path | None) -> Settings:
    if engine not in ENGINES:
        raise DemoError(f"--engine must be {', '.join(ENGINES[:-1])} or {ENGINES[-1]}, not {engine}.")
    return load(config or Path(os.devnull))


def _play(screen: Screen, signals: Signals, place: Place, steps: list[Step]) -> int:
    try:
        place.daemon.start()  # not to be left half-way, so signals wait
        with signals.heeded():
            for title, step in steps:
                with screen.step(title) as say:
                    step(say)
    except Interrupted as interrupted:
        screen.print(f"\npodd demo: ended by {interrupted}", "yellow")
        return interrupted.exit_code
    except Exception as error:
        reason = str(error) if isinstance(error, DemoError) else f"{type(error).__name__}: {error}"
        screen.print(f"\npodd demo: {reason}", "bold red")
        _explain(screen, place)
        return 1
    return 0


def _explain(screen: Screen, place: Place) -> None:
    """What may help to understand a failure."""
    for clue in place.clues():
        screen.print(clue)
    if lines := place.daemon.log_tail(LOG_LINES):
        screen.print("The daemon's last words:")
        screen.print_all(lines, "dim")
    screen.print("`podd doctor` takes a closer look at this machine.")


def _clean_up(screen: Screen, endings: list[Ending]) -> bool:
    """Whether nothing is left."""
    problems = []
    with suppress(DemoError), screen.step("Clean up") as say:
        for what, end in endings:
            try:
                done = end()
            except Exception as error:
                problems.append(f"{what}: {error}")
            else:
                if done:
                    say(done)
        if problems:
            raise DemoError("not everything is gone")
    for problem in problems:
        screen.print(f"podd demo: could not clean up: {problem}", "bold red")
    return not problems


def _say_goodbye(screen: Screen) -> None:
    total = sum(seconds for _, seconds in screen.times)
    screen.print(f"\nWhat podd did, in {total:.0f} s:", "bold")
    screen.print_all(f"{seconds:5.1f} s  {title}" for title, seconds in screen.times)
    screen.print("Nothing is left of it: no container, no network, no image, no file.")
    screen.print("\nWhere to go next:", "bold")
    screen.print_all(NEXT.splitlines())
