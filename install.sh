#!/bin/bash
# Brings podd to a bare Debian or Ubuntu. What it needs that is not there, it installs; see --help.
set -euo pipefail
project=$(cd "$(dirname "$0")" && pwd)
python=$project/.venv/bin/python

usage() {
    cat <<'TEXT'
Usage: ./install.sh demo [OPTION...]

Shows podd at work on this machine, without a GPU and without an account anywhere. Options go to `podd demo`.

It installs, where missing: python3 (with venv), podd itself into .venv beside this script, and as root a
Docker Engine (docker.io). Without a Docker Engine the demo runs its containers as plain processes.

  --help                     this text
  --engine docker|process    what the demo runs containers with; otherwise Docker if it can be had
  DOCKER_HOST                in the environment: the engine to use, in place of this machine's
  PODD_NO_DOCKER_INSTALL=1   in the environment: use a Docker Engine that is there, but install none
  PODD_DEMO_IMAGE=NAME       in the environment: the image the demo tries to pull for its pod
TEXT
}

say() { echo "podd: $*"; }

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

# step TITLE COMMAND...: shows that time passes, then how much did; the output only if it fails.
step() {
    local title=$1 began=$SECONDS status=0
    shift
    printf 'podd: %s ...' "$title"
    if [ -t 1 ]; then
        while sleep 1; do printf '\rpodd: %s ... %d s' "$title" $((SECONDS - began)); done &
        ticker=$!
    fi
    "$@" >"$work/output" 2>&1 || status=$?
    if [ -n "$ticker" ]; then
        stop_ticker
        printf '\rpodd: %s ...' "$title"
    fi
    if [ "$status" = 0 ]; then
        printf ' done in %d s\n' $((SECONDS - began))
    else
        printf ' failed after %d s:\n' $((SECONDS - began))
        tail -n 12 "$work/output" | sed 's/^/    /'
    fi
    return "$status"
}

stop_ticker() {
    [ -n "$ticker" ] || return 0
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    ticker=
}

can_use_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    apt-get -q -o DPkg::Lock::Timeout=300 update &&
        DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}

# Python

have_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

provide_python() {
    if ! have_python; then
        can_use_apt || fail "needs python3 with venv; as root: apt-get install python3-venv"
        step "Python, from apt" apt_install python3 python3-venv || exit 1
    fi
    new_enough python3 || fail "needs Python 3.11 or newer; python3 here is $(python3 --version 2>&1)"
}

# pip alone would do; uv takes a tenth of its time.
install_podd() {
    cd "$project"
    new_enough "$python" || python3 -m venv --clear .venv || return 1
    "$python" -m uv --version || "$python" -m pip install uv
    if "$python" -m uv --version; then
        UV_LINK_MODE=copy "$python" -m uv pip install --python "$python" --editable '.[demo]'
    else
        "$python" -m pip install --editable '.[demo]'
    fi
}

provide_podd() {
    local stamp=$project/.venv/.podd-demo wanted
    wanted=$(python3 --version && echo "$project" && cat "$project/pyproject.toml")
    if [ -x "$project/.venv/bin/podd" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        say "podd is installed in .venv already"
        return
    fi
    step "podd and the packages it needs, into .venv" install_podd || exit 1
    echo "$wanted" >"$stamp"
}

# The engine

engine_answers() { "$python" -c 'import docker; docker.from_env(timeout=5).ping()' >/dev/null 2>&1; }

# Leaves the engine's kind in $engine, and says why when it is not Docker.
choose_engine() {
    case " $* " in
    *" --engine process "* | *" --engine=process "*) engine=process && return ;;
    esac
    reason=
    if engine_answers || { can_provide_docker && provide_docker; }; then
        engine=docker
        say "containers run on Docker${DOCKER_HOST:+ at $DOCKER_HOST}"
    else
        engine=process
        say "no Docker Engine ($reason): containers run as plain processes, which shows everything but isolation"
    fi
}

can_provide_docker() {
    if [ -n "${DOCKER_HOST:-}" ]; then
        reason="none answers at $DOCKER_HOST"
    elif [ "$(id -u)" != 0 ]; then
        reason="none answers, and only root can install or start one"
    elif ! command -v dockerd >/dev/null; then
        if [ "${PODD_NO_DOCKER_INSTALL:-}" = 1 ]; then
            reason="none is installed, and PODD_NO_DOCKER_INSTALL is set"
        elif ! can_use_apt; then
            reason="none is installed, and there is no apt to install it with"
        fi
    fi
    [ -z "$reason" ]
}

provide_docker() {
    if ! command -v dockerd >/dev/null; then
        if ! step "Docker Engine, from apt" apt_install docker.io iptables iproute2; then
            reason="its installation failed"
            return 1
        fi
    fi
    if [ -e /run/docker.pid ] && kill -0 "$(cat /run/docker.pid)" 2>/dev/null; then
        step "Docker is starting" wait_for_engine && return
    elif [ -d /run/systemd/system ]; then
        step "starting Docker" start_service && return
    else
        step "starting a Docker Engine for the demo alone" start_own_engine && return
        stop_own_engine
    fi
    reason="it does not start here"
    return 1
}

start_service() {
    systemctl start docker || return 1
    wait_for_engine
}

# Where no service manager runs: an engine that keeps nothing and leaves the firewall alone, so its containers
# reach this machine but nothing beyond. It ends with this script, however that ends.
start_own_engine() {
    ip link show docker0 >/dev/null 2>&1 || own_bridge=docker0
    export DOCKER_HOST=unix://$work/docker.sock
    setpriv --pdeathsig TERM setsid dockerd --host "$DOCKER_HOST" --pidfile "$work/dockerd.pid" \
        --exec-root "$work/exec" --data-root "$work/data" --exec-opt native.cgroupdriver=cgroupfs \
        --cgroup-parent /podd-demo --iptables=false --ip-forward=false </dev/null &
    own_engine=$!
    wait_for_engine
}

wait_for_engine() {
    for _ in $(seq 60); do
        if engine_answers; then return 0; fi
        if [ -n "$own_engine" ] && ! kill -0 "$own_engine" 2>/dev/null; then return 1; fi
        sleep 0.5
    done
    return 1
}

stop_own_engine() {
    [ -n "$own_engine" ] || return 0
    "$python" - <<'PYTHON' 2>/dev/null || true
import docker
client = docker.from_env(timeout=30)
for container in client.containers.list(all=True):
    container.remove(force=True, v=True)
client.networks.prune()
PYTHON
    kill "$own_engine" 2>/dev/null || true
    for _ in $(seq 150); do
        kill -0 "$own_engine" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$own_engine" 2>/dev/null || true
    own_engine=
    unset DOCKER_HOST
    if [ -n "$own_bridge" ]; then ip link delete "$own_bridge" 2>/dev/null || true; fi
    awk -v ours="$work/" 'index($2, ours) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount || true
    for directory in /sys/fs/cgroup/podd-demo /sys/fs/cgroup/*/podd-demo; do
        [ ! -d "$directory" ] || find "$directory" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}

# The demo

clean_up() {
    trap '' INT TERM HUP
    stop_ticker
    stop_own_engine
    rm -rf "$work"
}

# In the background, so that a signal to this script reaches the demo at once, but with its terminal. It ends
# with this script, however that ends.
run_demo() {
    local status=0
    exec 3<&0
    env --default-signal=INT,QUIT setpriv --pdeathsig TERM "$project/.venv/bin/podd" demo "$@" <&3 &
    demo=$!
    trap : INT # the terminal sends it to the demo too
    trap 'kill -TERM $demo' TERM HUP
    while :; do
        wait "$demo" && status=0 || status=$?
        kill -0 "$demo" 2>/dev/null || return "$status" # else it was a signal that ended the wait
    done
}

demo() {
    work=$(mktemp -d /tmp/podd-demo.XXXXXX)
    ticker='' own_engine='' own_bridge=''
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    provide_python
    provide_podd
    choose_engine "$@"
    run_demo --engine "$engine" "$@"
}

case ${1:-} in
demo)
    shift
    demo "$@"
    ;;
-h | --help)
    usage
    ;;
'')
    echo "install.sh: installing podd as a service is not part of this version; there is the demo so far." >&2
    usage >&2
    exit 2
    ;;
*)
    echo "install.sh: there is no '$1' here." >&2
    usage >&2
    exit 2
    ;;
esac
