"""A real server on a free port, over a scripted host and, where the runtime is there, over the scratch prior."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import openai
import pytest

from liveoak.config import Settings
from liveoak.serving import Host, served
from liveoak.serving.scripted import ScriptedHost

HOSTS = ["scripted", "scratch"] if find_spec("liveoak.runtime") else ["scripted"]


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedHost]:
    with ScriptedHost(Settings(home=tmp_path / "home", port=0)) as host:
        yield host


@pytest.fixture
def url(scripted: ScriptedHost) -> Iterator[str]:
    with served(scripted) as address:
        yield address


@pytest.fixture
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=20)


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=20) as session:
        yield session


@pytest.fixture(scope="module", params=HOSTS)
def any_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    home = tmp_path_factory.mktemp("home")
    if request.param == "scripted":
        with ScriptedHost(Settings(home=home, port=0)) as host:
            yield host
    else:
        from liveoak.runtime import Runtime

        with Runtime(Settings(home=home, port=0, prior="scratch", threads=1)) as host:
            yield host


@pytest.fixture(scope="module")
def any_url(any_host: Host) -> Iterator[str]:
    with served(any_host) as address:
        yield address


@pytest.fixture(scope="module")
def any_client(any_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{any_url}/v1", api_key="unused", max_retries=0, timeout=60)
