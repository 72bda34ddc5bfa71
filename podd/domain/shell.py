"""What is run in a container for somebody who comes in: pure."""

from collections.abc import Iterable

from podd.domain.errors import Invalid

SIGNALS = frozenset("ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2".split())
LONGEST_COMMAND = 100_000
LONGEST_PATH = 4096
MOST_COLUMNS = 10_000

# As sshd does: at home, with the best shell there is. The container's own variables are kept.
_SHELL = 'cd "${HOME:-.}" 2>/dev/null; command -v bash >/dev/null 2>&1 && exec bash "$@"; exec sh "$@"'

_LETS_IN = ("LANG", "LC_", "COLORTERM", "TERM", "GIT_AUTHOR_", "GIT_COMMITTER_")
_MOST_VARIABLES = 50
_LONGEST_VARIABLE = 4096


def shell(command: str | None) -> list[str]:
    """The arguments that run a command line, or an interactive shell. Raises Invalid."""
    if command is None:
        return ["sh", "-c", _SHELL, "sh"]
    if len(command) > LONGEST_COMMAND or "\0" in command:
        raise Invalid(f"A command has at most {LONGEST_COMMAND} characters, and none of them is NUL.")
    return ["sh", "-c", _SHELL, "sh", "-c", command]


def let_in(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Those of a visitor's variables that are about their language and terminal; the rest is dropped."""
    kept: dict[str, str] = {}
    for name, value in variables:
        known = name.startswith(_LETS_IN) and len(name) < 100 and len(value) <= _LONGEST_VARIABLE
        if known and "\0" not in value and len(kept) < _MOST_VARIABLES:
            kept[name] = value
    return kept


def file_server(python: str) -> list[str]:
    """The arguments that run an SFTP server: the image's own, else the program `python` in its Python."""
    return ["sh", "-c", _FILE_SERVER, "sh", python]


def pack(path: str) -> list[str]:
    """The arguments that say `directory` or `file` on a line, and then write what is at this path as a tar
    archive: what the directory has in it, or the file. Raises Invalid."""
    return ["sh", "-c", _NEEDS_TAR + _PACK, "sh", _checked(path)]


def unpack(path: str, name: str, *, directory: bool) -> list[str]:
    """The arguments that read a tar archive with one file or directory in it, called `name` where it comes
    from, and put it at this path. They say first on a line what to call it in the archive: `inside` the
    directory that is there, by its own name, or `as` the last name of the path. Raises Invalid."""
    kind = "directory" if directory else "file"
    return ["sh", "-c", _NEEDS_TAR + _UNPACK, "sh", _checked(path), kind, _checked(name)]


def relay(port: int, python: str) -> list[str]:
    """The arguments that run something which says `+` once it has connected to this port of the container's
    loopback, and then passes on what comes: the program `python`, or what else the image has."""
    return ["sh", "-c", _RELAY, "sh", str(port), python]


def _checked(path: str) -> str:
    """So that no program takes it for an option."""
    if len(path) > LONGEST_PATH or "\0" in path:
        raise Invalid(f"A path has at most {LONGEST_PATH} characters, and none of them is NUL.")
    return path if path.startswith("/") else f"./{path}"


_NEEDS_TAR = """
cd "${HOME:-/}" 2>/dev/null
refuse() { echo "podd: $*" >&2; exit 1; }
command -v tar >/dev/null 2>&1 || refuse 'this image has no tar, which copying needs.'
"""

_PACK = """
if [ -d "$1" ]; then
    echo directory
    exec tar -cf - -C "$1" .
fi
[ -e "$1" ] || refuse "there is no $1"
echo file
exec tar -chf - -C "$(dirname "$1")" "./$(basename "$1")"
"""

# The same refusals as `docker cp` has: a directory never takes a file's place, nor a file a directory's.
_UNPACK = """
if [ -d "$1" ]; then
    there=$1/$3
    if [ "$2" = file ]; then
        [ ! -d "$there" ] || refuse "$there is a directory, and a file cannot take its place"
    else
        [ ! -e "$there" ] || [ -d "$there" ] ||
            refuse "$there is a file, and a directory cannot take its place"
    fi
    echo inside
    exec tar -xpf - -C "$1"
fi
if [ "$2" = directory ]; then
    [ ! -e "$1" ] || refuse "$1 is a file, and a directory cannot take its place"
else
    case $1 in */) refuse "there is no directory $1" ;; esac
fi
parent=$(dirname "$1")
[ -d "$parent" ] || refuse "there is no directory $parent"
echo as
exec tar -xpf - -C "$parent"
"""

_FILE_SERVER = """
cd "${HOME:-.}" 2>/dev/null
for server in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server \\
    /usr/libexec/sftp-server /usr/lib/sftp-server; do
    [ -x $server ] && exec $server
done
command -v python3 >/dev/null 2>&1 && exec python3 -I -S -c "$1"
echo 'podd: this image has neither sftp-server nor python3, one of which SFTP and scp need.' >&2
echo 'podd: tar works without: ssh POD tar c DIRECTORY | tar x' >&2
exit 127
"""

_RELAY = """
command -v python3 >/dev/null 2>&1 && exec python3 -I -S -c "$2" "$1"
command -v bash >/dev/null 2>&1 && exec bash -c '
    exec 3<>/dev/tcp/127.0.0.1/$1 || exit 1
    printf +
    cat >&3 &
    cat <&3
    kill $!' bash "$1"
listening=$(printf ':%04X 0*:0000 0A' "$1")
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "$listening" || exit 1
printf +
exec nc 127.0.0.1 "$1"
"""
