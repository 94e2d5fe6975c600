import os
import signal
import threading
import time

import pytest

from whale_jax.runtime import threads


def test_never_further_ahead_than_its_depth():
    started, lock = [], threading.Lock()

    def work(item):
        with lock:
            started.append(item)
        return item * item

    for count, result in enumerate(threads.ahead(work, range(50), workers=3, depth=5), start=1):
        assert result == (count - 1) ** 2
        assert len(started) <= count + 5
    assert sorted(started) == list(range(50))


def test_a_pool_that_closes_drops_what_has_not_begun():
    start, end = threading.Event(), threading.Event()
    pool = threads.Pool(1)
    first = pool.submit(lambda: (start.set(), end.wait(60))[1])
    assert start.wait(60)
    second = pool.submit(len, "")
    second.add_done_callback(lambda future: end.set())
    pool.close()
    assert first.result()
    assert second.cancelled()


def test_a_pool_whose_closing_a_signal_interrupts_still_knows_its_thread():
    """Python would not wait for it otherwise when the process ends."""

    def work():
        while not pool._shutdown:
            time.sleep(0.001)
        time.sleep(0.05)  # so that the main thread waits by now
        os.kill(os.getpid(), signal.SIGINT)
        assert end.wait(60)

    def interrupt(*_):
        raise KeyboardInterrupt

    before, end = signal.signal(signal.SIGINT, interrupt), threading.Event()
    try:
        pool = threads.Pool(1, "interrupted")
        pool.submit(work)
        with pytest.raises(KeyboardInterrupt):
            pool.close()
    finally:
        signal.signal(signal.SIGINT, before)
    [thread] = [thread for thread in threading.enumerate() if thread.name.startswith("interrupted")]
    assert thread.is_alive()
    end.set()
    pool.close()
    assert not thread.is_alive()
