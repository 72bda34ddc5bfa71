"""What the operator has set for single accounts in place of the machine's settings, and what accounts use."""

from podd.domain.quota import Use
from podd.store.db import Reader, Tx


def of_account(db: Reader, account_id: str) -> dict[str, int]:
    rows = db.rows("SELECT name, amount FROM quotas WHERE account_id = ?", (account_id,))
    return {row["name"]: row["amount"] for row in rows}


def put(tx: Tx, account_id: str, name: str, amount: int) -> None:
    tx.run("INSERT OR REPLACE INTO quotas VALUES (?, ?, ?)", (account_id, name, amount))


def drop(tx: Tx, account_id: str, name: str) -> None:
    tx.run("DELETE FROM quotas WHERE account_id = ? AND name = ?", (account_id, name))


def use(db: Reader, account_id: str, member: str | None = None) -> Use:
    """What the account has, or only what this member of it has made."""
    mine = "account_id = :account AND (:member IS NULL OR created_by = :member)"
    awake = "desired = 'RUNNING' AND frozen_at IS NULL"
    row = db.row(
        f"SELECT (SELECT COUNT(*) FROM claims JOIN workloads ON workloads.id = claims.workload_id "
        f"WHERE {mine} AND frozen_at IS NULL) AS gpus, "
        f"(SELECT COUNT(*) FROM workloads WHERE {mine} AND kind = 'pod' AND desired = 'RUNNING') AS pods, "
        f"(SELECT COUNT(*) FROM workloads WHERE {mine} AND kind = 'worker' AND {awake}) AS workers, "
        f"(SELECT COALESCE(SUM(volume), 0) FROM workloads WHERE {mine} AND network_volume_id = '' "
        "AND desired != 'TERMINATED') + (SELECT COALESCE(SUM(size), 0) FROM network_volumes "
        f"WHERE {mine} AND deleted_at IS NULL) AS volume_gb",
        {"account": account_id, "member": member},
    )
    assert row is not None, "a SELECT without FROM has one row"
    return Use(**row)
