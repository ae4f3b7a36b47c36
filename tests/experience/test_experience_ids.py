import random

from hypothesis import given
from hypothesis import strategies as st

from liveoak.experience import new_id


def test_an_id_is_its_time_then_its_random_bits() -> None:
    # 1 s = 1_000_000 us = 0b11110_10000_10010_00000, in groups of five: 30, 16, 18, 0 -> "y", "g", "j", "0".
    class Zeros(random.Random):
        def getrandbits(self, k: int, /) -> int:
            assert k == 75
            return 0

    assert new_id("turn", clock=lambda: 1.0, generator=Zeros()) == "turn_" + "0" * 7 + "ygj0" + "0" * 15


@given(st.lists(st.floats(min_value=0, max_value=4e9), min_size=2, max_size=20))
def test_ids_sort_by_time(times: list[float]) -> None:
    generator = random.Random(0)
    ids = [(new_id("x", clock=lambda time=time: time, generator=generator), int(time * 1e6)) for time in times]
    assert [time for _, time in sorted(ids)] == sorted(time for _, time in ids)


def test_ids_differ_within_one_microsecond() -> None:
    ids = {new_id("x", clock=lambda: 5.0) for _ in range(10_000)}
    assert len(ids) == 10_000
    assert {len(id) for id in ids} == {28}


def test_the_same_clock_and_generator_give_the_same_id() -> None:
    first = new_id("x", clock=lambda: 5.0, generator=random.Random(7))
    assert new_id("x", clock=lambda: 5.0, generator=random.Random(7)) == first
