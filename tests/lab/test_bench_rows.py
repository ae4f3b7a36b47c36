"""Rows of both benches on sides that take exactly known times."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from liveoak.config import Settings
from liveoak.errors import Unavailable
from liveoak.lab.bench import engine_cpu, engine_gpu, jobs
from liveoak.lab.bench import stand as stands
from liveoak.lab.bench.outcome import outcome, run_rows
from liveoak.lab.bench.rig import build
from liveoak.lab.bench.sizes import CPU, GPU, quick
from liveoak.lab.metrics import metric
from liveoak.lab.order import Order
from liveoak.lab.report import render
from liveoak.lab.results import load, save

SETUP = jobs.Setup(prior="scratch", cache="/nowhere", dtype="bfloat16", device="cpu", threads=2)
SHAPE = jobs.Shape(
    linear=1_000_000,
    head=100_000,
    vocabulary=100,
    layers=2,
    attention_width=8,
    adapter_per_rank=4_000,
    weight_bytes=2_000_000,
    linears=((10, 20),),
)
TOKEN = {
    "transformers": 0.025,
    "transformers, compiled": 0.03,
    "peft": 0.1,
    "llama.cpp": 0.004,
    "transformers, continuous batching": 0.05,
}
"""Seconds for a token of every reply; ours takes 0.01 without adapters and 0.0125 with."""


class Sham:
    """A side that does nothing, in known times; `lost` cannot be made."""

    lost: ClassVar[set[str]] = set()
    broken: ClassVar[bool] = False

    def __init__(self, target: str, setup: jobs.Setup, *, limit: float) -> None:
        self.name, self.peak_mib = target, 500.0
        if target in self.lost:
            raise Unavailable(f"{target} is not installed")

    def call(self, name: str, job: jobs.Wire, answer: type[jobs.Wire]) -> jobs.Wire:
        assert isinstance(job, jobs.CALLS[name][0]) and answer is jobs.CALLS[name][1]
        return getattr(self, name)(job)

    def close(self) -> None:
        pass

    def measure(self, job: jobs.MeasureJob) -> jobs.Measured:
        ceilings = jobs.Ceilings(
            matmul_bf16=100.0, matmul_f32=50.0, copy_gb=20.0, read_gb=1.0, gemv_bf16_gb=0.5, gemv_f32_gb=1.0
        )
        return jobs.Measured(ceilings=ceilings, device="sham", rated_bf16=125.0)

    def read(self, job: jobs.MeasureJob) -> jobs.Bandwidth:
        return jobs.Bandwidth(read_gb=2.0)

    def describe(self, job: jobs.Nothing) -> jobs.Shape:
        return SHAPE

    def tokenise(self, job: jobs.Texts) -> jobs.Tokens:
        return jobs.Tokens(
            lines=tuple((*range(1, 1 + len(line) % 7 + 3), 0) for line in job.lines),
            chats=tuple((1,) * (4 + len(chat) % 5) for chat in job.chats),
        )

    def ways(self, job: jobs.Nothing) -> jobs.Ways:
        return jobs.Ways(ways=("slow", "fast", "broken"))

    def train(self, job: jobs.TrainJob) -> jobs.Trained:
        if job.way == "broken" or (self.broken and self.name == stands.OURS):
            raise Unavailable("not like this")
        loss = {"SEAL": 0.5, stands.OURS: 0.25}.get(self.name, 0.3) if job.evaluate else None
        if self.name == "SEAL":
            # Time goes with what is padded to.
            return jobs.Trained(seconds=1e-4 * (job.pad_to or 10) * job.passes * len(job.lessons[0]), loss=loss)
        each = {stands.OURS: 0.001, "peft": 0.003 if job.way == "fast" else 0.009, "TRL": 0.02}[self.name]
        return jobs.Trained(seconds=each * job.tokens, loss=loss)

    def decode(self, job: jobs.DecodeJob) -> jobs.Decoded:
        each = TOKEN.get(self.name, 0.0125 if job.adapters else 0.01)
        times = tuple(0.5 + each * n for n in range(job.tokens))
        return jobs.Decoded(times=(times,) * len(job.prompts))

    def together(self, job: jobs.TogetherJob) -> jobs.Together:
        return jobs.Together(
            gaps_alone=(0.01, 0.01, 0.03),
            gaps_learning=(0.015, 0.015, 0.09),
            replies_alone=100.0,
            replies_learning=90.0,
            train_alone=1000.0,
            train_serving=600.0,
        )

    def profile(self, job: jobs.ProfileJob) -> jobs.Profile:
        assert (job.train is None) != (job.decode is None)
        top = "adapters" if job.train else "linear"
        shares = dict.fromkeys(("linear", "adapters", "attention", "head_loss", "optimizer", "elementwise"), 0.1)
        return jobs.Profile(seconds=1.0, shares={**shares, "outside": 0.2, top: 0.3}, slowest=(("aten::mm", 0.3),))

    def soak(self, job: jobs.SoakJob) -> jobs.Soaked:
        return jobs.Soaked(
            samples=tuple((float(n), 400.0) for n in range(30)), replies=9, cancelled=2, lessons=3, errors=0
        )


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVEOAK_DATA", raising=False)
    monkeypatch.setattr(stands, "Side", Sham)
    monkeypatch.setattr(stands, "SIDES", {name: name for name in stands.SIDES})
    monkeypatch.setattr(Sham, "lost", set())
    monkeypatch.setattr(Sham, "broken", False)


SMALL = replace(quick(CPU), compiled=True)
"""With every side."""


def run(bench, sizes):
    with build(SETUP, sizes, lambda _: None) as rig:
        run_rows(rig, bench.ROWS)
        return outcome(rig, bench.NAME, bench.WORK_OF)


def test_every_row_of_the_processor_bench_is_what_the_times_say(tmp_path: Path):
    sizes = SMALL
    found = run(engine_cpu, sizes)
    assert found.config["failed"] == []
    values = {key: figure.value for key, figure in found.metrics.items()}
    # One pass over two lines of eight lessons; SEAL's lines are padded to 64 and ours are not.
    lines = found.config["lesson_tokens"][0]
    assert values == pytest.approx(
        {
            "train_8_slots_vs_peft": 3.0,
            "lesson_vs_seal": 1e-4 * 64 * 2 * 2 / (0.001 * 2 * lines),
            "lesson_loss_over_seal": -0.25,
            "decode_1_vs_transformers": 2.5,
            # 2 MB at the 2 GB/s of that moment are 1 ms.
            "decode_1_of_bandwidth_floor": 0.1,
            "decode_8_adapters_vs_peft": 8.0,
            "decode_latency_while_learning": 1.5,
            "train_speed_while_serving": 0.6,
            "soak_growth": 0.0,
        }
    )
    assert found.arms["peft: training"]["tokens_per_second"].value == pytest.approx(1000 / 3)
    assert found.arms["liveoak: decoding many replies"]["tokens_per_second"].value == pytest.approx(8 / 0.0125)
    assert found.arms["llama.cpp: decoding one reply"]["token_ms"].value == pytest.approx(4.0)
    assert "bandwidth_share" not in found.arms["llama.cpp: decoding one reply"]
    assert "transformers, continuous batching: decoding many replies, no adapters" in found.arms
    # One step over eight lessons, 4 * 1.1 M frozen and 6 * 4 * 4000 adapter operations a token, of 1e11 as found.
    utilisation = found.arms["liveoak: training"]["flop_utilisation"].value
    assert utilisation == pytest.approx((4.4e6 + 96e3) * 1e3 / 1e11, rel=1e-3)
    assert list(found.config["peft_ways"]) == ["fast", "slow"]
    missed = {one["row"]: next(iter(one["time"])) for one in found.config["missed"]}
    assert missed == {"lesson_vs_seal": "adapters", "decode_1_of_bandwidth_floor": "linear"}
    page = render(found)
    assert all(html.escape(one["next"]) in page for one in found.config["missed"])
    assert "adapters 0.300, outside 0.200" in page
    assert load(save(found, tmp_path)).model_dump(mode="json") == found.model_dump(mode="json")


def test_every_row_of_the_gpu_bench_is_what_the_times_say():
    found = run(engine_gpu, replace(quick(GPU), lessons=4))
    assert found.config["failed"] == []
    values = {key: figure.value for key, figure in found.metrics.items()}
    # 4 * 1.1 M frozen, 6 * 4 * 4000 adapter and some attention operations a token, a thousand tokens a second,
    # of 1.25e11 as stated.
    assert values.pop("train_64_slots_mfu") == pytest.approx((4.4e6 + 96e3) * 1e3 / 1.25e11, rel=1e-3)
    assert values == pytest.approx(
        {
            "train_64_slots_vs_peft": 3.0,
            "decode_256_with_adapters_vs_without": 0.8,
            "decode_throughput_while_learning": 0.9,
            "soak_growth": 0.0,
        }
    )


@pytest.mark.parametrize(
    ("lost", "rows"),
    [
        ("peft", {"train_8_slots_vs_peft", "decode_8_adapters_vs_peft"}),
        ("TRL", set()),
        ("SEAL", {"lesson_vs_seal", "lesson_loss_over_seal"}),
        ("transformers", set()),
        ("transformers, compiled", set()),
        ("transformers, continuous batching", set()),
        ("llama.cpp", set()),
    ],
)
def test_a_peer_that_is_missing_is_told_and_costs_no_other_row(
    lost: str, rows: set[str], monkeypatch: pytest.MonkeyPatch
):
    whole = set(run(engine_cpu, SMALL).metrics)
    monkeypatch.setattr(Sham, "lost", {lost})
    found = run(engine_cpu, SMALL)
    assert whole - set(found.metrics) == rows
    assert any(f"{lost} is not installed" in one["error"] for one in found.config["failed"])


def test_the_faster_of_two_forms_of_a_peer_is_what_we_are_held_against(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TOKEN, "transformers, compiled", 0.02)
    found = run(engine_cpu, SMALL)
    assert found.config["decode_1_against"] == "transformers, compiled"
    assert found.metrics["decode_1_vs_transformers"].value == pytest.approx(2.0)
    monkeypatch.setattr(Sham, "lost", {"transformers", "transformers, compiled"})
    found = run(engine_cpu, SMALL)
    assert "decode_1_vs_transformers" not in found.metrics
    assert {"decode_1_of_bandwidth_floor", "decode_8_adapters_vs_peft"} <= set(found.metrics)
    assert "transformers is not installed" in [one["error"] for one in found.config["failed"]]


def test_rows_that_need_our_training_fail_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Sham, "broken", True)
    found = run(engine_cpu, SMALL)
    assert {"decode_8_adapters_vs_peft", "decode_1_vs_transformers", "soak_growth"} <= set(found.metrics)
    assert {"train_8_slots_vs_peft", "lesson_vs_seal"} <= {one["part"] for one in found.config["failed"]}


def test_points_that_would_take_too_long_are_cut_and_told():
    found = run(engine_cpu, replace(SMALL, growth_tokens=(100, 10**9)))
    assert "tokens: 100" in found.arms and "tokens: 1000000000" not in found.arms
    assert "the limit is" in found.config["growth_cut"]["tokens: 1000000000"]


def test_without_a_gpu_the_gpu_bench_says_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    order = Order(settings=Settings(), count=5, folder=tmp_path, tell=lambda _: None)
    with pytest.raises(Unavailable, match="no CUDA device is available") as caught:
        engine_gpu.experiment(order)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code != 0


def test_rows_and_their_profiles_are_declared():
    for bench in (engine_cpu, engine_gpu):
        assert all(metric(key).threshold is not None for key in bench.WORK_OF)


def test_a_quick_run_waits_for_no_compiler():
    found = run(engine_cpu, quick(CPU))
    assert not [arm for arm in found.arms if arm.startswith("transformers, compiled")]
    assert found.config["failed"] == []
    assert found.config["decode_1_against"] == "transformers"
