"""Figures of the bench, with numbers worked out by hand."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.errors import Unavailable
from liveoak.lab.bench.cost import decoded_flops, trained_flops
from liveoak.lab.bench.decoding import heard
from liveoak.lab.bench.growing import Point, beyond
from liveoak.lab.bench.jobs import CALLS, Decoded, Shape, TrainJob
from liveoak.lab.bench.ledger import ratio
from liveoak.lab.bench.metrics import GROUPS, ROWS
from liveoak.lab.bench.missed import missed, profile_arm
from liveoak.lab.bench.profiling import group_of
from liveoak.lab.bench.soaking import growth
from liveoak.lab.bench.work import chats, lessons
from liveoak.lab.metrics import metric
from liveoak.lab.results import Figure, figure, load

ROW = "train_8_slots_vs_peft"
SHAPE = Shape(
    linear=1000,
    head=500,
    vocabulary=50,
    layers=2,
    attention_width=8,
    adapter_per_rank=60,
    weight_bytes=3000,
    linears=((10, 20), (20, 10), (10, 10)),
)
positive = st.floats(1e-3, 1e3)


def test_a_ratio_is_the_geometric_mean_of_the_pairs():
    found = ratio(ROW, [2.0, 8.0], [1.0, 1.0])
    assert found.value == pytest.approx(4.0)
    # Logarithms ln 2 and ln 8: s = 0.9803, half width 12.706 * 0.9803 / sqrt(2) = 8.807.
    assert found.ci95 is not None
    low, high = (math.log(end) for end in found.ci95)
    assert (low, high) == pytest.approx((math.log(4) - 8.807, math.log(4) + 8.807), abs=2e-3)
    assert ratio(ROW, [3.0], [2.0]).ci95 is None


@given(st.lists(st.tuples(positive, positive), min_size=2, max_size=6))
def test_a_ratio_and_its_inverse_say_the_same(pairs: list[tuple[float, float]]):
    above, below = zip(*pairs, strict=True)
    one, other = ratio(ROW, above, below), ratio(ROW, below, above)
    assert one.value * other.value == pytest.approx(1.0)
    assert one.ci95 is not None and other.ci95 is not None
    assert one.ci95[0] * other.ci95[1] == pytest.approx(1.0)


@pytest.mark.parametrize(("above", "below"), [([1.0], []), ([], []), ([1.0, 0.0], [1.0, 1.0]), ([1.0], [-1.0])])
def test_pairs_that_make_no_ratio_are_refused(above: list[float], below: list[float]):
    with pytest.raises(ValueError, match="pairs of positive values"):
        ratio(ROW, above, below)


def profiled(**shares: float) -> dict[str, dict[str, Figure]]:
    return {profile_arm("training"): {f"time_{group}": figure(f"time_{group}", shares[group]) for group in shares}}


def next_of(value: float, arms: dict[str, dict[str, Figure]], row: str = ROW) -> str:
    (found,) = missed({row: figure(row, value)}, arms, {row: "training"})
    assert (found["row"], found["value"], found["work"]) == (row, value, "training")
    return found["next"]


def test_a_row_that_is_missed_tells_how_much_of_which_time_must_go():
    arms = profiled(linear=0.25, adapters=0.4, attention=0.35)
    (found,) = missed({ROW: figure(ROW, 1.5)}, arms, {ROW: "training"})
    assert list(found["time"].items()) == [("adapters", 0.4), ("attention", 0.35), ("linear", 0.25)]
    assert found["wanted"] == 2.0
    # 1.5 of 2: a quarter must go. Adapters at 0.15 in place of 0.4 are 2.67 times as fast.
    assert found["next"].startswith("0.250 of our time must go; the largest part, 0.400, is low-rank products")
    assert "2.67 times as fast, it would do. Next: a layer's changes in fewer calls" in found["next"]
    # At 1 half must go; 1 / (1 - 0.4) is 1.67.
    assert "without any of it the row would be 1.67, so that attention (0.350) counts too." in next_of(1.0, arms)


def test_a_row_that_is_missed_tells_its_floor_and_its_interval():
    arms = profiled(linear=0.6, adapters=0.4)
    arms["liveoak: training"] = {"flop_utilisation": figure("flop_utilisation", 0.46)}
    assert "arithmetic at the best product measured would take 0.460 of the time. Next:" in next_of(1.9, arms)
    wide = {ROW: figure(ROW, 1.9, n=4, ci95=(1.7, 2.1))}
    assert missed(wide, arms, {ROW: "training"})[0]["next"].startswith("The interval holds 2: more repeats would tell.")


def test_rows_that_no_profile_accounts_for_say_so():
    assert "Of training alone 0.700 is" in next_of(0.4, profiled(linear=0.7, adapters=0.3), "train_speed_while_serving")
    assert next_of(1.5, {}) == "Next: a profile, which failed or was not made."
    met = {"lesson_vs_seal": figure("lesson_vs_seal", 60.0)}
    (found,) = missed({**met, "soak_growth": figure("soak_growth", 0.2)}, {}, {})
    assert (found["row"], found["time"]) == ("soak_growth", {}) and "config.soak" in found["next"]


def test_every_group_has_a_next_step_and_so_have_the_rows_of_the_kept_file():
    shares = dict.fromkeys(GROUPS, 0.1)
    for group in GROUPS:
        assert "Next: " in next_of(1.5, profiled(**{**shares, group: 0.4}))
    kept = load(Path(__file__).parents[2] / "docs" / "results" / "bench-engine-cpu.json")
    rows = {key for key, found in kept.metrics.items() if metric(key).met(found.value) is False}
    assert {one["row"] for one in kept.config["missed"]} == rows
    assert all(
        one["value"] == kept.metrics[one["row"]].value and "Next: " in one["next"] for one in kept.config["missed"]
    )


def test_operations_are_counted_by_hand():
    # Two sequences of 3 and 1 tokens. Frozen products: 4 * 1500 * 4; adapters of rank 2: 6 * 2 * 60 * 4.
    # Attention looks at 6 + 1 pairs: forward 4 * 2 layers * 8 * 7 = 448, backward twice that.
    assert trained_flops(SHAPE, [3, 1], 2) == 24_000 + 2_880 + 3 * 448
    # One token each, looking back at 5 and 7: products 2 * 1500 * 2, attention 4 * 2 * 8 * 12.
    assert decoded_flops(SHAPE, [5, 7]) == 6_000 + 768
    assert decoded_flops(SHAPE, [5], 2) == 2 * (1500 + 120) + 320


def test_tokens_of_a_job_are_those_that_are_predicted():
    job = TrainJob(lessons=(((1, 2, 3), (4, 5)), ((6, 7, 8, 9),)), passes=3)
    assert job.tokens == 3 * (2 + 1 + 3)


def test_decoding_is_timed_from_when_all_have_begun():
    decoded = Decoded(times=((1.0, 2.0, 3.0, 4.0), (2.0, 3.0, 5.0)))
    found = heard(decoded, [(1,) * 10, (1,) * 20])
    # After 2.0 come the tokens at 3 and 4, and those at 3 and 5: four in three seconds.
    assert found.rate == pytest.approx(4 / 3)
    assert found.first == 2.0
    assert sorted(found.gaps) == [1.0, 1.0, 1.0, 1.0, 2.0]
    assert found.lengths == (12, 21)
    with pytest.raises(Unavailable, match="fewer than two tokens"):
        heard(Decoded(times=((1.0,), (1.0, 2.0))), [(1,), (1,)])
    with pytest.raises(Unavailable, match="too short"):
        heard(Decoded(times=((1.0, 2.0), (3.0, 3.0))), [(1,), (1,)])


def test_growth_compares_the_last_third_with_the_middle_one():
    flat = [(float(n), 100.0) for n in range(9)]
    assert growth(flat) == 0.0
    # What is taken at the start is no growth; middle 100, last 130.
    risen = [(float(n), mib) for n, mib in enumerate([10, 20, 50, 90, 100, 110, 120, 130, 140])]
    assert growth(risen) == pytest.approx(0.3)
    assert growth(flat[:5]) is None


def test_points_beyond_time_or_memory_are_left_out():
    def at(size: int, seconds: float, mib: float) -> Point:
        return Point(size=size, seconds=seconds, peak_mib=mib)

    assert beyond([], 512, 1.0, 0.0) is None
    one, eight = at(1, 0.5, 100.0), at(8, 2.0, 170.0)
    assert beyond([one, eight], 64, 20.0, 10_000.0) is None
    assert beyond([one, eight], 64, 10.0, 10_000.0) == "about 16 s, the limit is 10 s"
    # 10 MiB a slot: 56 more take 560.
    assert beyond([one, eight], 64, 20.0, 600.0) == "about 560 MiB more, 600 MiB are free"


@pytest.mark.parametrize(
    ("name", "shapes", "group"),
    [
        ("aten::mm", [[7, 10], [10, 20]], "linear"),
        ("aten::addmm", [[20], [7, 10], [10, 20]], "linear"),
        ("mkldnn::_linear_pointwise", [[4, 10], [20, 10], []], "linear"),
        ("aten::mm", [[4, 10], [10, 40]], "adapters"),
        ("aten::mm", [[7, 10], [10, 4]], "adapters"),
        ("aten::addmm", [[7, 20], [7, 4], [4, 20]], "adapters"),
        ("aten::mm", [[4, 7], [7, 20]], "adapters"),
        ("aten::bmm", [[8, 4, 10], [8, 10, 1]], "adapters"),
        ("aten::bmm", [[6, 33, 5], [6, 5, 40]], "attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", [[2, 2, 9, 5], [2, 2, 9, 5]], "attention"),
        ("aten::_softmax", [[6, 33, 40]], "attention"),
        ("aten::mm", [[7, 10], [10, 50]], "head_loss"),
        ("aten::_log_softmax", [[7, 50]], "head_loss"),
        ("aten::lerp_", [[240], [240]], "optimizer"),
        ("aten::_fused_adamw_", [[]], "optimizer"),
        ("liveoak::linear", [[4, 10], [20, 10], [], [4, 4]], "linear"),
        ("liveoak::linear", [[4, 10], [50, 10], [], []], "head_loss"),
        ("liveoak::attend", [[1, 2, 4, 5], [1, 2, 4, 5]], "attention"),
        ("aten::_grouped_mm", [[7, 10], [3, 10, 8], [3]], "adapters"),
        ("aten::_grouped_mm", [[8, 7], [7, 10], [3]], "adapters"),
        ("liveoak::change", [[7, 10], [240]], "adapters"),
        ("liveoak::change_back", [[7, 10], [7, 4]], "adapters"),
        ("aten::mul", [[7, 10], [10]], "elementwise"),
        ("aten::copy_", [[7, 10], [7, 10]], "elementwise"),
        ("liveoak::linear", [[7, 10], [4, 10, 8], []], "head_loss"),
        ("liveoak::linear", [[7, 10], [4, 10, 16], []], "head_loss"),
        ("liveoak::linear", [[7, 10], [2, 10, 8], []], "linear"),
    ],
)
def test_operators_are_told_apart_by_the_shapes_they_work_on(name: str, shapes: list[list[int]], group: str):
    assert group in GROUPS
    assert group_of(name, shapes, SHAPE, rank=4) == group


def test_every_row_has_a_threshold_and_calls_have_forms():
    assert all(row.threshold is not None for row in ROWS)
    for wanted, answer in CALLS.values():
        assert wanted.model_config["extra"] == answer.model_config["extra"] == "forbid"


def test_work_is_the_same_for_equal_seeds_and_of_mixed_lengths(monkeypatch: pytest.MonkeyPatch):
    assert chats(40, 3) == chats(40, 3) != chats(40, 4)
    lengths = sorted(map(len, chats(40, 3)))
    assert lengths[0] < 80 and lengths[-1] > 400
    monkeypatch.delenv("LIVEOAK_DATA", raising=False)
    made = lessons(3)
    assert "generated handbooks" in made.source and "LIVEOAK_DATA" in made.source
    assert len(made.lines) == 3 and made.lines[0] != made.lines[1]
    assert all(line.strip() and not line.startswith("#") for lesson in made.lines for line in lesson)
