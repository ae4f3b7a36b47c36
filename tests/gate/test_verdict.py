"""Verdicts by hand: every probe counts, and what is no number never passes."""

from __future__ import annotations

import math

import pytest

from liveoak.gate import judge
from liveoak.records import Probe


def probe(name: str = "retention", *, after: float = 0.05, passed: bool = True) -> Probe:
    return Probe(name=name, unit="nats/token", before=0.0, after=after, limit=0.1, passed=passed, n=9)


def test_all_passed_is_kept_without_reasons():
    verdict = judge([probe(), probe("recall")], enabled=True)
    assert verdict.kept
    assert verdict.reasons == ()
    assert [one.name for one in verdict.probes] == ["retention", "recall"]


def test_each_failure_is_a_reason_with_its_figures():
    verdict = judge([probe(after=0.25, passed=False), probe("recall"), probe("kl_prior", passed=False)], enabled=True)
    assert not verdict.kept
    assert verdict.reasons[0] == (
        "retention: general text became harder than allowed (0.000 -> 0.250 nats/token, limit 0.100)"
    )
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["retention", "kl_prior"]


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_passes(figure: float):
    verdict = judge([probe(), probe(after=figure, passed=True)], enabled=True)
    assert not verdict.kept
    assert len(verdict.reasons) == 1


def test_with_the_gate_off_all_is_kept_and_the_reasons_are_still_told():
    verdict = judge([probe(after=0.25, passed=False)], enabled=False)
    assert verdict.kept
    assert len(verdict.reasons) == 1


def test_a_probe_that_nobody_explained_is_told_all_the_same():
    assert judge([probe("novel", passed=False)], enabled=True).reasons[0].startswith("novel: out of bounds")
