# shellcheck shell=bash
# Sourced by tests/run and by its part inside the namespaces: steps and the time each took.
# $TIMINGS names a file that keeps "NAME SECONDS" a line, for the last line of the run; $run a directory for logs.
: "${run:?}" "${TIMINGS:?}"

now() { date +%s%N; }

# step NAME COMMAND...: the command's failure ends the script, by its `set -e`.
step() {
    local name=$1 began
    shift
    began=$(now)
    echo "== $name"
    "$@"
    note_time "$name" "$began"
    echo "   $(tail -n 1 "$TIMINGS" | grep -o '[^ ]*$') s"
}

# note_time NAME BEGAN
note_time() {
    local tenths=$((($(now) - $2) / 100000000))
    echo "$1 $((tenths / 10)).$((tenths % 10))" >>"$TIMINGS"
}

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
    local status=0
    "$@" >"$run/output" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 60 "$run/output"
        echo "exit code $status from: $*"
    fi
    return "$status"
}
