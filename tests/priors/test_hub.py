"""`hf:ORG/NAME`, from a hub on this machine that the hub's own client talks to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_disk import mounted
from small_hub import Hub, small_hub
from test_load_prior import save_scratch

from liveoak.errors import NotFound, StorageError, Unavailable
from liveoak.priors import Prior, load_prior

NAME = "hf:liveoak-tests/tiny"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_scratch(tmp_path_factory.mktemp("model"))


@pytest.fixture
def hub(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub that this process knows, with one model; the client's cache is empty."""
    from huggingface_hub import constants, file_download

    with small_hub({"liveoak-tests/tiny": model}) as hub:
        point_at(hub.url, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
        yield hub


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does when the client is imported."""
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)
    monkeypatch.setattr(constants, "ENDPOINT", url)


def load(tmp_path: Path, name: str = NAME) -> Prior:
    return load_prior(name, cache=tmp_path / "cache")


def test_a_model_is_fetched_once_and_is_the_one_that_was_saved(
    hub: Hub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "README.md").write_text("not needed")
    prior = load(tmp_path)
    assert prior.name == NAME
    assert prior.fingerprint == load(tmp_path, str(model)).fingerprint
    assert prior.tokenizer.encode("hi") == tuple(b"hi")
    fetched = {line.rpartition("/")[2] for line in hub.asked if line.startswith("GET") and "/resolve/" in line}
    assert fetched == {path.name for path in model.iterdir()} - {"README.md"}

    hub.asked.clear()
    hub.refuse = 500
    assert load(tmp_path).fingerprint == prior.fingerprint
    assert hub.asked == [], "what is there is not asked for"


def test_a_process_finds_the_hub_by_its_environment(hub: Hub, model: Path, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from liveoak.priors import load_prior
print(load_prior({NAME!r}, cache=Path("cache")).fingerprint)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == load(tmp_path, str(model)).fingerprint
    assert done.stderr == "", "no bars in a pipe"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_may_not_be_read_is_not_found(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.refuse = status
    with pytest.raises(NotFound, match=r"no model 'liveoak-tests/tiny'.*spelling.*hf auth login"):
        load(tmp_path)


def test_an_unknown_name_is_not_found(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model 'liveoak-tests/other'"):
        load(tmp_path, "hf:liveoak-tests/other")


def test_a_hub_that_is_down_says_what_to_do(hub: Hub, tmp_path: Path) -> None:
    hub.refuse = 500
    with pytest.raises(Unavailable, match="Connect to the network and try again"):
        load(tmp_path)


def test_no_network_says_what_to_do(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(Unavailable, match="Connect to the network and try again"):
        load(tmp_path)


@pytest.mark.parametrize("how", ["cut", "short"])
def test_an_incomplete_file_is_told_and_fetched_again(hub: Hub, tmp_path: Path, how: str) -> None:
    setattr(hub, how, "model.safetensors")
    with pytest.raises(Unavailable, match=r"cannot fetch 'liveoak-tests/tiny'.*try again"):
        load(tmp_path)
    setattr(hub, how, "")
    assert load(tmp_path).context_length == 2048


def test_a_full_disk_is_told_and_room_makes_it_good(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with mounted(tmp_path / "small", 2) as disk:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(disk / "hub"))
        with pytest.raises(StorageError, match=f"disk is full.*{disk}"):
            load(tmp_path)
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        assert load(tmp_path).context_length == 2048


def test_a_repository_without_a_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.json").write_text("{}")
    hub.models["liveoak-tests/empty"] = empty
    with pytest.raises(NotFound, match=r"holds no \*\.safetensors"):
        load(tmp_path, "hf:liveoak-tests/empty")
