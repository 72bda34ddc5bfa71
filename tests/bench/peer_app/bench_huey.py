"""Huey's application: one task that echoes. Runs in an environment that has no podd."""

import os

from huey import SqliteHuey

huey = SqliteHuey(filename=os.environ["BENCH_HUEY"], fsync=True)


@huey.task()
def echo(job):
    return {"echo": job}
