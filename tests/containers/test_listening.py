"""Ports that containers listen at, as the kernel's tables say."""

from pathlib import Path

from podd.containers import listening

ID = "c0ffee" * 10
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def a_process(proc: Path, cgroup: str = f"0::/docker/{ID}", **tables: list[str]) -> None:
    (proc / "7" / "net").mkdir(parents=True)
    (proc / "7" / "cgroup").write_text(cgroup)
    for name in ("tcp", "tcp6", "udp", "udp6"):
        rows = [f"   {n}: {row} 00000000:00000000" for n, row in enumerate(tables.get(name, []))]
        (proc / "7" / "net" / name).write_text("\n".join([HEAD, *rows]) + "\n")


def test_what_can_be_reached_from_outside_is_listed(tmp_path: Path) -> None:
    nowhere, everywhere6 = "00000000:0000", "0" * 32
    a_process(
        tmp_path,
        tcp=[
            f"00000000:0016 {nowhere} 0A",  # sshd
            f"0100007F:1F90 {nowhere} 0A",  # 127.0.0.1:8080
            f"0B00007F:A001 {nowhere} 0A",  # Docker's DNS
            "0200000A:0050 0100000A:C001 01",  # a connection
        ],
        tcp6=[
            f"{everywhere6}:22B8 {everywhere6}:0000 0A",
            f"00000000000000000000000001000000:1F91 {everywhere6}:0000 0A",  # ::1
            f"0000000000000000FFFF00000100007F:1F92 {everywhere6}:0000 0A",  # ::ffff:127.0.0.1
        ],
        udp=[f"00000000:0035 {nowhere} 07", "0200000A:9C40 0100000A:0035 01"],
    )
    assert (listening.inside(7, ID, tmp_path) or set()) == {("tcp", 22), ("tcp", 8888), ("udp", 53)}


def test_a_process_of_something_else_tells_nothing(tmp_path: Path) -> None:
    """podd may run in a container of its own, where the engine's number means another process, or none."""
    a_process(tmp_path, cgroup="0::/init.scope")
    assert listening.inside(7, ID, tmp_path) is None
    assert listening.inside(8, ID, tmp_path) is None
