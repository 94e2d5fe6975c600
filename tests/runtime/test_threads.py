import threading

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
