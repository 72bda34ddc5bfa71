"""Submits jobs and reads their results, from so many threads: `client.py huey|celery NUMBER CLIENTS`.

Prints the jobs a second. Runs in an environment that has no podd.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor


def main(kind, number, clients):
    if kind == "huey":
        from bench_huey import echo

        submit, read = (
            echo,
            lambda result: result.get(blocking=True, timeout=120, backoff=1.0, max_delay=0.001),
        )
    else:
        from bench_celery import echo

        submit, read = echo.delay, lambda result: result.get(timeout=120)
    with ThreadPoolExecutor(clients) as threads:
        begun = time.perf_counter()
        results = list(threads.map(submit, [{"prompt": "hello"}] * number))
        answers = list(threads.map(read, results))
        took = time.perf_counter() - begun
    assert answers == [{"echo": {"prompt": "hello"}}] * number
    print(number / took)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
