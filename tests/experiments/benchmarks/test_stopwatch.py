"""The stopwatch counts what it should; how long anything takes is not asserted."""

import os
import threading

from experiments.benchmarks import stopwatch


def test_nanoseconds_per_trial_and_step():
    sample = stopwatch.least([stopwatch.Sample(3.0, 0.5, 10, 1), stopwatch.Sample(1.0, 0.6, 10, 1)])
    assert sample == stopwatch.Sample(1.0, 0.5, 10, 2)
    timed = sample.per_step(trials=2, steps=50.0)
    assert timed == {"ns": 1e6, "cpu_ns": 5e5, "sequences": 10, "repetitions": 2}


def test_preparing_is_not_timed_and_every_repetition_is_prepared():
    prepared, ran = [], []
    stopwatch.fastest(lambda: prepared.append(0), lambda _, n: ran.append(n), 1e-6)
    assert len(prepared) == len(ran) >= 4 and ran[:2] == [1, 1]


def test_one_core_is_given_back():
    before = os.sched_getaffinity(0)
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    with stopwatch.one_core() as core:
        assert os.sched_getaffinity(0) == os.sched_getaffinity(thread.native_id) == {core}
    assert os.sched_getaffinity(0) == os.sched_getaffinity(thread.native_id) == before
    wait.set()
    thread.join()
