"""The main process of a development pod: runs the project's handler, and again when another version arrives.

It runs in the Python of the base image, whatever its version, as `python3 -c`, with the handler's path, that
of the requirements, and a port. A version arrives as `incoming.tar.gz` in the folder `podd-project`.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

ROOT = os.path.abspath("podd-project")
INCOMING = os.path.join(ROOT, "incoming.tar.gz")
APP = os.path.join(ROOT, "app")
VENV = os.path.join(ROOT, "venv")


def main():
    handler, requirements, port = sys.argv[1:4]
    os.makedirs(ROOT, exist_ok=True)
    signal.signal(signal.SIGTERM, leave)
    seen = child = None
    while True:
        version = stamp()
        if version != seen:
            seen = version
            end(child)
            child = begin(handler, requirements, port)
        elif child is not None and child.poll() is not None:
            say("the handler ended with %d; it is started again when something changes" % child.returncode)
            child = None
        time.sleep(0.2)


def stamp():
    try:
        found = os.stat(INCOMING)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def begin(handler, requirements, port):
    shutil.rmtree(APP, ignore_errors=True)
    os.makedirs(APP)
    with tarfile.open(INCOMING) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(APP, filter="data")
        else:
            archive.extractall(APP)
    python = installed(os.path.join(APP, requirements))
    if python is None:
        return None
    say("starting %s" % handler)
    serve = ["--rp_serve_api", "--rp_api_host", "0.0.0.0", "--rp_api_port", port]
    return subprocess.Popen([python, "-u", handler] + serve, cwd=APP, start_new_session=True)


def installed(requirements):
    """The Python to run; None when something cannot be installed."""
    try:
        with open(requirements) as file:
            text = file.read()
    except OSError:
        text = ""
    if not [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]:
        return sys.executable
    python = os.path.join(VENV, "bin", "python")
    done = os.path.join(VENV, "installed-" + hashlib.sha256(text.encode()).hexdigest())
    if os.path.exists(done):
        return python
    say("installing %s" % os.path.basename(requirements))
    make = [sys.executable, "-m", "venv", "--system-site-packages", VENV]
    for command in (make, [python, "-m", "pip", "install", "-q", "-r", requirements]):
        if subprocess.call(command) != 0:
            say("that did not work; it is tried again when something changes")
            return None
    open(done, "w").close()
    return python


def end(child):
    if child is None or child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def leave(*_):
    sys.exit(0)


def say(text):
    print("podd: " + text, flush=True)


main()
