"""A worker that speaks the protocol itself and never gives up a result: it posts again until it is answered.

It notes each result in $RECORD before it posts it, as `<job> <mark>`: the mark is in the job's output too.
"""

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from http.client import HTTPException
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def main() -> None:
    take = os.environ["RUNPOD_WEBHOOK_GET_JOB"].replace("/job-take/", "/job-take-batch/")
    while True:
        for job in asked(f"{take}&batch_size=4&job_in_progress=0") or []:
            work(job)


def work(job: Json) -> None:
    mark = uuid.uuid4().hex
    for part in range(job["input"]["parts"]):
        posted("RUNPOD_WEBHOOK_POST_STREAM", job, {"output": part})
    time.sleep(job["input"]["seconds"])
    with Path(os.environ["RECORD"]).open("a") as record:
        record.write(f"{job['id']} {mark}\n")
    posted("RUNPOD_WEBHOOK_POST_OUTPUT", job, {"output": {"mark": mark, "n": job["input"]["n"]}})


def posted(where: str, job: Json, body: Json) -> None:
    asked(os.environ[where].replace("$ID", job["id"]), json.dumps(body).encode())


def asked(url: str, body: bytes | None = None) -> Any:
    """The answer, None for none; while podd is away, the same again."""
    request = urllib.request.Request(url, body, {"Authorization": os.environ["RUNPOD_AI_API_KEY"]})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return None
        except (OSError, HTTPException):  # refused, or cut off in the middle
            pass
        time.sleep(0.02)


if __name__ == "__main__":
    main()
