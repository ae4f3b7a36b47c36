"""Steps on one slot: by hand, in slices, and never half of one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liveoak.adapters import Slot
from liveoak.engine import Engine, Readings
from liveoak.engine import Sequence as Tokens
from liveoak.errors import LearningError
from liveoak.learning import update as update_module
from liveoak.learning.adam import AdamSettings
from liveoak.learning.objective import ANCHOR, Example, losses, normalisers, total
from liveoak.learning.slices import SHARED, share_beginning, slices
from liveoak.learning.update import Update
from liveoak.priors import load_prior

NOTHING_KNOWN = 6.2
"""Nats of a token by chance: ln 259, and half the variance (1.13 ** 2) of the logits of a prior that knows nothing."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused"), dtype=torch.float32))


def imitation(ids: Sequence[int], first: int, signal: str = "imitation") -> Example:
    """Learn `ids` from place `first` on."""
    return Example(
        signal=signal,
        ids=tuple(ids[:-1]),
        wanted=tuple(range(first - 1, len(ids) - 1)),
        credit=(1.0,) * (len(ids) - first),
        targets=tuple(ids[first:]),
    )


def lesson(count: int = 12, seed: int = 0) -> list[Example]:
    """Questions with a common beginning, as a chat template gives them, and of many lengths."""
    rng = random.Random(seed)
    start = [rng.randrange(256) for _ in range(20)]
    examples: list[Example] = []
    for _ in range(count):
        ids = [*start, *(rng.randrange(256) for _ in range(rng.randrange(4, 40)))]
        examples.append(imitation(ids, first=len(ids) - 3))
    return sorted(examples, key=lambda one: one.ids)


def trained(engine: Engine, examples: list[Example], steps: int = 3, rate: float = 1e-2) -> Slot:
    slot = engine.bank.new_slot(rank=4)
    update = Update(engine, slot, {}, AdamSettings())
    for _ in range(steps):
        update.step(examples, rate)
    slot.freeze()
    return slot


def surprise(engine: Engine, slot: Slot | None, examples: list[Example]) -> float:
    with torch.inference_mode():
        batch = [Tokens(ids=one.ids, slot=slot, wanted=one.wanted) for one in examples]
        return float(total(losses(examples, engine.logits(batch)), normalisers(examples), {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_teach_in_every_number_format(dtype: torch.dtype):
    engine = Engine(load_prior("scratch", cache=Path("unused"), dtype=dtype))
    examples = lesson(4)
    before = surprise(engine, None, examples)
    slot = trained(engine, examples, steps=12)
    assert before == pytest.approx(NOTHING_KNOWN, abs=1.0)
    assert surprise(engine, slot, examples) < before - 1
    assert slot.steps == 12


def test_the_first_step_of_adam_is_the_rate_against_the_sign(engine: Engine):
    slot = engine.bank.new_slot(rank=4)
    before = slot.master.clone()
    update = Update(engine, slot, {}, AdamSettings())
    done = update.step(lesson(), 1e-3)
    moved = slot.master - before
    touched = slot.first_moment != 0  # type: ignore[operator]
    # With b = 0, a gets no gradient yet: a step moves exactly what had one, each by the rate.
    assert 0 < touched.float().mean() < 1
    assert torch.equal(moved[~touched], torch.zeros_like(moved[~touched]))
    assert moved[touched].abs().median().item() == pytest.approx(1e-3, rel=1e-3)
    assert done.losses["imitation"] == pytest.approx(NOTHING_KNOWN, abs=0.5)
    assert done.credited == 36


def test_a_step_reports_the_loss_before_it(engine: Engine):
    examples = lesson()
    slot = engine.bank.new_slot(rank=4)
    done = Update(engine, slot, {}, AdamSettings()).step(examples, 1e-2)
    assert done.losses["imitation"] == pytest.approx(surprise(engine, None, examples), abs=1e-5)


def test_the_gradient_is_clipped_to_its_norm(engine: Engine):
    slot = engine.bank.new_slot(rank=4)
    Update(engine, slot, {}, AdamSettings(clip=1e-3)).step(lesson(), 1e-3)
    assert slot.first_moment is not None
    # The first moment is (1 - beta1) times the clipped gradient.
    assert float(slot.first_moment.norm()) == pytest.approx(0.1 * 1e-3, rel=1e-4)


def test_slices_give_the_step_of_the_whole(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    rng = random.Random(1)
    examples = [*lesson(), imitation([rng.randrange(256) for _ in range(50)], 1, "transition")]
    whole_slot = engine.bank.new_slot(rank=4)
    monkeypatch.setattr(update_module, "room", lambda _: 10**6)  # type: ignore[misc]
    whole = Update(engine, whole_slot, {"transition": 0.3}, AdamSettings()).step(examples, 1e-3)
    for size in (1, 64, 200):
        slot = engine.bank.new_slot(rank=4)
        monkeypatch.setattr(update_module, "room", lambda _, size=size: size)  # type: ignore[misc]
        cut = Update(engine, slot, {"transition": 0.3}, AdamSettings()).step(examples, 1e-3)
        assert cut.losses == pytest.approx(whole.losses, abs=1e-5)
        assert cut.credited == whole.credited
        assert slot.first_moment is not None and whole_slot.first_moment is not None
        assert torch.allclose(slot.first_moment, whole_slot.first_moment, rtol=1e-3, atol=1e-7)


def test_shared_beginnings_are_run_once_and_change_nothing(engine: Engine):
    examples = lesson()
    shared = share_beginning(examples, None)
    assert len(shared) == len(examples) + 1
    assert sum(len(one.ids) for one in shared) == sum(len(one.ids) for one in examples) - 20 * (len(examples) - 1)
    with torch.inference_mode():
        apart = engine.logits([Tokens(ids=one.ids, wanted=one.wanted) for one in examples])
        together = engine.logits(shared)
    assert torch.allclose(apart, together, atol=1e-4)


def test_the_anchor_holds_and_is_not_counted_as_learned(engine: Engine):
    examples = lesson(4)
    anchor_ids = tuple(range(40, 70))
    with torch.inference_mode():
        teacher = engine.logits([Tokens(ids=anchor_ids, wanted=tuple(range(30)))]).log_softmax(-1)
    anchor = Example(
        signal=ANCHOR, ids=anchor_ids, wanted=tuple(range(30)), credit=(1.0,) * 30, teacher=teacher.clone()
    )

    def drift(weight: float) -> float:
        slot = engine.bank.new_slot(rank=4)
        update = Update(engine, slot, {ANCHOR: weight}, AdamSettings())
        for step in range(8):
            done = update.step([*examples, anchor], 1e-2)
            assert done.credited == 12
            if step == 0:
                assert done.losses[ANCHOR] == pytest.approx(0, abs=1e-5)
        slot.freeze()
        return surprise_of_anchor(slot)

    def surprise_of_anchor(slot: Slot) -> float:
        with torch.inference_mode():
            logits = engine.logits([Tokens(ids=anchor_ids, slot=slot, wanted=anchor.wanted)])
        return float(losses([anchor], logits)[ANCHOR]) / 30

    assert drift(10.0) < 0.3 * drift(0.0)


def test_a_step_that_diverges_leaves_the_weights(engine: Engine):
    slot = engine.bank.new_slot(rank=4)
    update = Update(engine, slot, {}, AdamSettings())
    good = lesson(4)
    update.step(good, 1e-3)
    before = [slot.master.clone(), slot.weights.clone(), slot.first_moment.clone(), slot.second_moment.clone()]  # type: ignore[union-attr]
    one = {"signal": "distillation", "ids": good[0].ids, "wanted": good[0].wanted}
    poisoned = [
        (Example(**one, credit=(math.nan, 1.0, 1.0), targets=(1, 2, 3)), "credit of signal 'distillation'"),
        (Example(**one, credit=(math.inf, 1.0, 1.0), targets=(1, 2, 3)), "credit of signal 'distillation'"),
        (Example(**one, credit=(1.0, 1.0, 1.0), teacher=torch.full((3, 259), math.nan)), "diverged"),
    ]
    for bad, reason in poisoned:
        with pytest.raises(LearningError, match=reason):
            update.step([*good, bad], 1e-3)
        after = [slot.master, slot.weights, slot.first_moment, slot.second_moment]
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))  # type: ignore[arg-type]
        assert slot.steps == 1
    update.step(good, 1e-3)
    assert not torch.equal(before[0], slot.master), "the next step goes on"


def test_a_step_without_credit_leaves_the_weights(engine: Engine):
    slot = engine.bank.new_slot(rank=4)
    before = slot.master.clone()
    empty = Example(signal="imitation", ids=(1, 2), wanted=(0, 1), credit=(0.0, 0.0), targets=(1, 2))
    with pytest.raises(LearningError, match="no token has credit"):
        Update(engine, slot, {}, AdamSettings()).step([empty], 1e-3)
    assert torch.equal(before, slot.master)
    assert slot.steps == 0


def test_what_a_broken_step_gathered_is_not_in_the_next(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    examples = lesson()
    clean, disturbed = engine.bank.new_slot(rank=4), engine.bank.new_slot(rank=4)
    Update(engine, clean, {}, AdamSettings()).step(examples, 1e-3)
    update = Update(engine, disturbed, {}, AdamSettings())
    calls = 0
    real = engine.wanted

    def failing(batch: Sequence[Tokens], readings: Readings | None) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("out of memory")
        return real(batch, readings)

    monkeypatch.setattr(engine, "wanted", failing)
    monkeypatch.setattr(update_module, "room", lambda _: 100)  # type: ignore[misc]
    with pytest.raises(RuntimeError, match="out of memory"):
        update.step(examples, 1e-3)
    monkeypatch.undo()
    update.step(examples, 1e-3)
    assert torch.equal(clean.master, disturbed.master)


def test_replies_may_go_first_after_every_slice(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(update_module, "room", lambda _: 1)  # type: ignore[misc]
    slot, order = engine.bank.new_slot(rank=4), list[str]()
    real = engine.wanted

    def noted(batch: Sequence[Tokens], readings: Readings | None) -> torch.Tensor:
        order.append("slice")
        return real(batch, readings)

    monkeypatch.setattr(engine, "wanted", noted)
    monkeypatch.setattr(engine, "breathe", lambda: order.append("breath"))
    examples = lesson(12)
    Update(engine, slot, {}, AdamSettings()).step(examples, 1e-3)
    assert len(slices(examples, None, 1)) == 12
    assert order.count("slice") == 12
    assert ("slice", "slice") not in set(pairwise(order)), "two slices without a breath between"
    assert order[-1] == "breath"


ids = st.lists(st.integers(0, 2), min_size=2, max_size=30)


@st.composite
def drafts(draw: st.DrawFn) -> Example:
    start = [0] * draw(st.integers(0, 25))
    tokens = [*start, *draw(ids)]
    return imitation(tokens, draw(st.integers(1, len(tokens) - 1)))


def rows(examples: Sequence[Example]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Neighbours over the same tokens are one sequence with the places of all."""
    together = [list(same) for _, same in groupby(examples, key=lambda one: one.ids)]
    return [(same[0].ids, tuple(place for one in same for place in one.wanted)) for same in together]


@given(st.lists(drafts(), max_size=12), st.integers(1, 120))
@settings(max_examples=200)
def test_slices_keep_every_example_and_their_bound(examples: list[Example], size: int):
    parts = slices(examples, None, size)
    assert [one for part in parts for one in part] == examples
    for part in parts:
        assert part
        run = sum(len(tokens.ids) for tokens in share_beginning(part, None))
        assert len(rows(part)) == 1 or run <= size


@given(st.lists(drafts(), min_size=1, max_size=12))
@settings(max_examples=200)
def test_sharing_beginnings_keeps_every_sequence_and_place(examples: list[Example]):
    batch, expected = share_beginning(examples, None), rows(examples)
    heads = {tokens.prefix for tokens in batch} - {None}
    assert all(batch[head].wanted == () and len(batch[head].ids) >= SHARED for head in heads if head is not None)
    assert sum(len(tokens.ids) for tokens in batch) <= sum(len(ids) for ids, _ in expected)
    whole: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for place, tokens in enumerate(batch):
        if place in heads:
            assert sum(one.prefix == place for one in batch) > 1, "nobody shares it"
            continue
        before = () if tokens.prefix is None else batch[tokens.prefix].ids
        assert tokens.ids and (tokens.prefix is None or tokens.prefix < place)
        whole.append((before + tokens.ids, tuple(len(before) + wanted for wanted in tokens.wanted)))
    assert whole == expected


def test_strangers_among_those_that_begin_alike_do_not_undo_the_sharing():
    """A lesson's questions stand among text and the prior's own replies."""
    questions = [imitation([*range(40), n, n], 40) for n in range(6)]
    text, other = imitation([250] * 30, 1), [imitation([*range(100, 120), n, n], 20) for n in range(2)]
    batch = share_beginning([questions[0], text, other[0], *questions[1:], other[1]], None)
    assert sum(len(tokens.ids) for tokens in batch) == 39 + 6 * 2 + 29 + 19 + 2 * 2, "the last token is no input"


def test_a_slice_is_full_by_what_it_runs():
    like = [imitation([*range(200), n, n], 200) for n in range(20)]
    stranger = imitation([250] * 160, 20)
    parts = slices([*like, stranger], None, 384)
    assert [len(part) for part in parts] == [20, 1]
    assert [sum(len(tokens.ids) for tokens in share_beginning(part, None)) for part in parts] == [239, 159], (
        "the last token is no input"
    )


def test_a_sequence_that_is_credited_early_shares_nothing():
    like = [imitation([*range(200), n, n], 200) for n in range(20)]
    early = imitation([*range(200), 19, 19], 3, "transition")
    assert [len(part) for part in slices([*like, early], None, 384)] == [19, 2], (
        "neighbours over the same tokens are one"
    )
    assert [len(part) for part in slices([like[0], replace(early, ids=like[0].ids)], None, 100)] == [2], "one sequence"
