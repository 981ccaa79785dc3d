"""Several workers in one process: each does a job, and all of them end together."""

import threading
import time

from jobs.worker_threads import run_together


def test_each_has_a_job_at_the_same_time_and_all_end_together(house):
    house.push(1)
    house.wait(2)
    both, stop = threading.Barrier(2), threading.Event()
    house.fit.before_end = lambda: both.wait(20)  # which breaks, and the job with it, unless two fits run
    workers = [house.worker(), house.worker()]
    running = threading.Thread(target=run_together, args=(workers, stop))
    running.start()
    for _ in range(400):
        if len(house.jobs("succeeded")) == 2:
            break
        time.sleep(0.05)
    stop.set()
    running.join(20)

    assert not running.is_alive()
    assert [job.code for job in house.jobs("succeeded")] == ["published", "published"]
    assert not [thread for thread in threading.enumerate() if thread.name == "worker"]
    assert len({worker.owner for worker in workers}) == 2
