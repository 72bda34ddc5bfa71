"""Celery's application: one task that echoes. Runs in an environment that has no podd."""

import os

from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)


@app.task(name="echo")
def echo(job):
    return {"echo": job}
