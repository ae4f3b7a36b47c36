"""When a score was reached, where curves cross, and what becomes of cells in tables."""

from __future__ import annotations

import pytest

from liveoak.lab.lives.curves import crossing, episodes_to, threshold_between, trailing
from liveoak.lab.lives.tables import (
    Table,
    anytime_score,
    arm_figures,
    bit_lines,
    curve_of,
    final_score,
    paired,
    ratio,
    reached,
    score_lines,
)

CELL = {"score@32": 0.0, "score@64": 0.3, "score@96": 0.6, "score@128": 0.9, "exam@0": 0.1, "exam@128": 0.8, "x": 1.0}


def test_a_score_is_the_mean_of_96_episodes():
    assert trailing([0.0, 0.3, 0.6, 0.9], 3) == pytest.approx([0.0, 0.15, 0.3, 0.6])
    assert episodes_to([0.0, 0.3, 0.6, 0.9], 0.3, 32) == 96
    assert episodes_to([0.0, 0.3, 0.6, 0.9], 0.61, 32) is None
    assert episodes_to([0.0, 0.0, 0.0, 0.6, 0.6, 0.6, 0.6], 0.3, 16) == 96, "whatever the size of a round"
    assert episodes_to([0.2, 0.5], 0.4, 128) == 256


def test_a_lucky_beginning_is_no_score_reached():
    assert episodes_to([1.0, 1.0], 0.5, 32) is None
    assert episodes_to([1.0, 0.0, 0.0, 1.0], 0.4, 32) is None


def test_a_threshold_lies_between_guess_and_expert():
    assert threshold_between(0.2, 1.0, 0.75) == pytest.approx(0.8)


def test_curves_cross_where_the_one_behind_stays_level():
    ahead = {0: 0.5, 32: 0.6, 64: 0.6, 96: 0.7}
    assert crossing({0: 0.1, 32: 0.6, 64: 0.5, 96: 0.7}, ahead) == 96, "what it lost again does not count"
    assert crossing({0: 0.1, 32: 0.6, 64: 0.9, 96: 0.7}, ahead) == 32
    assert crossing({0: 0.1, 32: 0.2, 64: 0.3, 96: 0.4}, ahead) is None
    assert crossing({0: 0.1, 32: 0.2, 128: 0.9}, ahead) is None, "128 is on one curve alone"


def test_a_cell_is_read_by_its_keys():
    assert curve_of({"score@100": 2.0, "score@20": 1.0, "scores": 3.0}, "score") == {20: 1.0, 100: 2.0}
    assert reached(CELL, 0.3) == (96, True)
    assert reached(CELL, 0.7) == (128, False), "a life that never got there counts with its whole length"
    assert final_score(CELL) == pytest.approx(0.6)
    assert anytime_score(CELL) == pytest.approx(0.45)


def test_an_arm_is_the_mean_over_its_seeds():
    other = {**CELL, "score@64": 0.6, "score@128": 1.0, "exam@128": 0.6}
    found = arm_figures({0: CELL, 1: other}, 0.39)
    assert found["episodes_to_threshold"].value == pytest.approx((128 + 96) / 2)
    assert found["exam_score"].value == pytest.approx(0.7)
    assert found["reached"].value == 1.0
    assert "bits_answers" not in found, "nobody measured it"


def test_arms_are_compared_on_the_seeds_that_both_have():
    ours, theirs = {0: {"v": 2.0}, 1: {"v": 4.0}, 2: {"v": 9.0}}, {0: {"v": 4.0}, 1: {"v": 8.0}, 3: {"v": 1.0}}
    taken = ratio(ours, theirs, lambda cell: cell["v"])
    assert taken is not None and taken.mean == pytest.approx(0.5) and taken.n == 2
    difference = paired(ours, theirs, lambda cell: cell["v"])
    assert difference is not None and difference.mean == pytest.approx(-3.0) and difference.differs
    assert paired(ours, {7: {"v": 1.0}}, lambda cell: cell["v"]) is None
    assert ratio({}, {}, lambda cell: cell["v"]) is None


def test_a_table_holds_what_is_finished():
    names = {"a": ("w", "both", 0), "b": ("w", "both", 1), "c": ("w", "reward", 0)}
    table = Table.of(names, {"a": {"v": 1.0}, "c": {"v": 2.0}})
    assert table.cells_of("w", "both") == {0: {"v": 1.0}}
    assert table.cells_of("w", "nothing") == {} and table.cells_of("nowhere", "both") == {}


def test_lines_hold_means_bits_and_the_bound():
    ln2 = 0.6931471805599453
    one = {"score@32": 0.0, "score@64": 1.0, "answers@0": 3 * ln2, "answers@64": ln2, "outcome_bits": 0.5}
    two = {"score@32": 1.0, "score@64": 1.0, "answers@0": 3 * ln2, "answers@64": 2 * ln2, "outcome_bits": 1.0}
    drawn = score_lines("t", {"both": {0: one, 1: two}}, 0.7)
    assert [(mark.at, mark.mean) for mark in drawn.series["both"]] == [(32, 0.5), (64, 1.0)]
    bits = bit_lines("t", {"both": {0: one, 1: two}}, "answers", {0: one, 1: two})
    assert [(mark.at, pytest.approx(mark.mean)) for mark in bits.series["both"]] == [(0, 0.0), (64, 1.5)]
    assert bits.series["bound of outcomes"][-1].mean == pytest.approx(0.75 * 64)
