"""Serverless endpoints."""

import json
from typing import Any

from podd.domain.endpoint import Endpoint, EndpointType, Scaler
from podd.store.db import Reader, Row, Tx


def insert(tx: Tx, endpoint: Endpoint) -> None:
    tx.insert(
        "endpoints",
        {
            "id": endpoint.id,
            "account_id": endpoint.account_id,
            "created_at": endpoint.created_at,
            "created_by": endpoint.created_by or endpoint.account_id,
            "version": endpoint.version,
            "asked_at": endpoint.asked_at,
            **_settings(
                {
                    "name": endpoint.name,
                    "template_id": endpoint.template_id,
                    "type": endpoint.type,
                    "gpu_ids": endpoint.gpu_ids,
                    "gpu_count": endpoint.gpu_count,
                    "instance_ids": endpoint.instance_ids,
                    "network_volume_id": endpoint.network_volume_id,
                    "data_center_ids": endpoint.data_center_ids,
                    "cuda_versions": endpoint.cuda_versions,
                    "min_cuda_version": endpoint.min_cuda_version,
                    "model": endpoint.model,
                    "idle_timeout_s": endpoint.idle_timeout_s,
                    "scaler": endpoint.scaler,
                    "scaler_value": endpoint.scaler_value,
                    "workers_min": endpoint.workers_min,
                    "workers_max": endpoint.workers_max,
                    "execution_timeout_ms": endpoint.execution_timeout_ms,
                    "flash_boot": endpoint.flash_boot,
                    "extras": endpoint.extras,
                }
            ),
        },
    )


def change(tx: Tx, endpoint_id: str, **values: Any) -> int:
    return tx.update("endpoints", endpoint_id, _settings(values))


def count(tx: Tx, endpoint_id: str, column: str) -> None:
    """Add one to `completed`, `failed` or `retried`."""
    tx.run(f"UPDATE endpoints SET {column} = {column} + 1 WHERE id = ?", (endpoint_id,))


def get(db: Reader, endpoint_id: str) -> Endpoint | None:
    row = db.row("SELECT * FROM endpoints WHERE id = ?", (endpoint_id,))
    return _endpoint(row) if row else None


def of_account(db: Reader, account_id: str) -> list[Endpoint]:
    rows = db.rows("SELECT * FROM endpoints WHERE account_id = ? ORDER BY created_at, id", (account_id,))
    return [_endpoint(row) for row in rows]


def every(db: Reader) -> list[Endpoint]:
    return [_endpoint(row) for row in db.rows("SELECT * FROM endpoints ORDER BY created_at, id")]


def to_scale(db: Reader) -> list[str]:
    """Ids of endpoints that have, want or may want workers."""
    rows = db.rows(
        "SELECT id FROM endpoints WHERE workers_min > 0 OR throttled > 0 "
        "OR EXISTS (SELECT 1 FROM workers WHERE workers.endpoint_id = endpoints.id) "
        "OR EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_queued "
        "WHERE jobs.endpoint_id = endpoints.id AND status = 'IN_QUEUE') "
        "ORDER BY created_at, id"
    )
    return [row["id"] for row in rows]


def with_workers(db: Reader) -> list[str]:
    return [row["endpoint_id"] for row in db.rows("SELECT DISTINCT endpoint_id FROM workers")]


def without_image(db: Reader, now: int) -> list[Endpoint]:
    """Endpoints that may have workers, whose image is not known to be here, and which are due for a look."""
    rows = db.rows(
        "SELECT * FROM endpoints WHERE NOT image_ready AND workers_max > 0 AND image_retry_at <= ? "
        "ORDER BY created_at, id",
        (now,),
    )
    return [_endpoint(row) for row in rows]


def unused_since(db: Reader, before: int, above: int) -> list[Endpoint]:
    """Endpoints nobody has sent a job since then, with a maximum of more than `above` workers."""
    rows = db.rows(
        "SELECT * FROM endpoints WHERE asked_at <= ? AND workers_max > ? AND workers_min = 0", (before, above)
    )
    return [_endpoint(row) for row in rows]


def balanced(db: Reader) -> list[str]:
    """Ids of load-balancing endpoints."""
    return [
        row["id"] for row in db.rows("SELECT id FROM endpoints WHERE type = 'LB' ORDER BY created_at, id")
    ]


def using_template(db: Reader, template_id: str) -> list[Endpoint]:
    rows = db.rows("SELECT * FROM endpoints WHERE template_id = ? ORDER BY created_at, id", (template_id,))
    return [_endpoint(row) for row in rows]


def using_network_volume(db: Reader, volume_id: str) -> list[str]:
    """Names of the endpoints whose workers mount it."""
    rows = db.rows("SELECT name FROM endpoints WHERE network_volume_id = ? ORDER BY created_at", (volume_id,))
    return [row["name"] for row in rows]


def delete(tx: Tx, endpoint_id: str) -> None:
    """The endpoint with all its jobs. Its workers must be gone or going."""
    tx.run("DELETE FROM jobs WHERE endpoint_id = ?", (endpoint_id,))
    tx.run("DELETE FROM workers WHERE endpoint_id = ?", (endpoint_id,))
    tx.run("DELETE FROM releases WHERE endpoint_id = ?", (endpoint_id,))
    tx.delete("endpoints", endpoint_id)


def _settings(values: Row) -> Row:
    row = dict(values)
    if "extras" in row:
        row["extras_json"] = json.dumps(row.pop("extras"))
    return row


def _endpoint(row: Row) -> Endpoint:
    row = dict(row)
    extras = json.loads(row.pop("extras_json"))
    return Endpoint(
        **{
            **row,
            "type": EndpointType(row["type"]),
            "scaler": Scaler(row["scaler"]),
            "image_ready": bool(row["image_ready"]),
            "extras": extras,
        }
    )
