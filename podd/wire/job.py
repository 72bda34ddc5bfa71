"""The job object, as /status, /runsync and webhooks show it. Times are whole milliseconds."""

import json
from typing import Any

from podd.domain.job import Job, JobStatus


def job_object(job: Job, **more: str) -> str:
    """The job as JSON text. Outputs, and the values of `more`, are JSON text already and are put in as they
    are: they may be many megabytes."""
    fields: dict[str, Any] = {"id": job.id, "status": job.status.value}
    if job.taken_at is not None:
        fields["delayTime"] = max(job.taken_at - job.enqueued_at, 0)
        fields["workerId"] = job.worker_id
        if job.ended_at is not None:
            fields["executionTime"] = max(job.ended_at - job.taken_at, 0)
    elif job.final and job.status is not JobStatus.CANCELLED:
        fields.update(delayTime=0, executionTime=0, workerId="")
    if job.error is not None:
        fields["error"] = job.error
    if job.retries:
        fields["retries"] = job.retries
    output = job.output if job.final else job.progress
    texts = more if output is None else {"output": output, **more}
    return json.dumps(fields)[:-1] + "".join(f', "{name}": {text}' for name, text in texts.items()) + "}"
