"""Savings plans."""

from podd.domain.plan import Plan
from podd.store.db import Reader, Row, Tx


def insert(tx: Tx, plan: Plan) -> None:
    tx.insert(
        "savings_plans",
        {
            "id": plan.id,
            "account_id": plan.account_id,
            "key": plan.key,
            "gpu_type_id": plan.gpu_type_id,
            "gpu_count": plan.gpu_count,
            "months": plan.months,
            "price": plan.price,
            "begins_at": plan.begins_at,
            "ends_at": plan.ends_at,
            "over": plan.over,
        },
    )


def get(db: Reader, plan_id: str) -> Plan | None:
    row = db.row("SELECT * FROM savings_plans WHERE id = ?", (plan_id,))
    return _plan(row) if row else None


def by_key(db: Reader, account_id: str, key: str) -> Plan | None:
    row = db.row("SELECT * FROM savings_plans WHERE account_id = ? AND key = ?", (account_id, key))
    return _plan(row) if row else None


def of_account(db: Reader, account_id: str) -> list[Plan]:
    """Also those that are over, oldest first."""
    rows = db.rows("SELECT * FROM savings_plans WHERE account_id = ? ORDER BY begins_at, id", (account_id,))
    return [_plan(row) for row in rows]


def ending(db: Reader, now: int) -> list[Plan]:
    """Those whose time is over, and which meters still go by."""
    rows = db.rows("SELECT * FROM savings_plans WHERE over = 0 AND ends_at <= ? ORDER BY ends_at, id", (now,))
    return [_plan(row) for row in rows]


def bought(db: Reader) -> dict[str, dict[str, int]]:
    """GPUs that are paid for now, by account and type: few have any."""
    rows = db.rows(
        "SELECT account_id, gpu_type_id, SUM(gpu_count) AS gpus FROM savings_plans WHERE over = 0 "
        "GROUP BY account_id, gpu_type_id"
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["account_id"], {})[row["gpu_type_id"]] = row["gpus"]
    return found


def note_over(tx: Tx, plan_id: str) -> None:
    tx.run("UPDATE savings_plans SET over = 1 WHERE id = ?", (plan_id,))


# Private


def _plan(row: Row) -> Plan:
    return Plan(**{**row, "over": bool(row["over"])})
