"""More versions than there is memory for, asked for by name: next to nothing of the experiment, in a real runtime."""

from pathlib import Path

from liveoak.config import Settings
from liveoak.lab.bench.versions import experiment
from liveoak.lab.bench.visiting import asked, timed
from liveoak.lab.order import Order
from liveoak.lab.results import load, save


def test_what_is_evicted_says_the_same_again_and_is_freed(tmp_path: Path):
    told: list[str] = []
    settings = Settings(threads=1, cache=tmp_path / "cache", device="cpu", dtype="float32")
    order = Order(settings=settings, count=1, folder=tmp_path, tell=told.append, quick=True)
    found = experiment(order)
    assert found.metrics["replies_changed"].value == 0
    assert found.config["scored_again_after_eviction"] > 0
    assert found.config["outlived_their_version_in_memory"] is True
    room = found.config["adapter_memory_mib"] * 2**20 // found.config["adapter_bytes"]
    assert found.metrics["versions_in_memory"].value == room
    # Beside those in memory, the decoder holds the one that it decoded last.
    assert room <= found.metrics["slots_alive"].value <= room + 1
    for drawing in ("long tail", "uniform"):
        figures = found.arms[drawing]
        assert 0 < figures["hit_rate"].value < 1
        assert 0 < figures["reload_ms"].value <= figures["reload_ms_p99"].value
    for count in (4, 12):
        assert found.arms[f"{count} versions"]["open_seconds"].value > 0
    assert found.config["dry_run"] and "12 versions" in told
    assert load(save(found, tmp_path)).arms == found.arms


def test_what_is_asked_for_has_so_many_tokens():
    sampling = asked("agent", tokens=7).sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.pattern) == (7, 0, "[a-z ]{7}")
    took, result = timed(lambda: "done")
    assert result == "done" and took >= 0
