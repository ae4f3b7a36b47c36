"""Settings, read without importing torch.

Order: command-line options over environment (`LIVEOAK_*`) over `HOME/liveoak.toml` over the defaults below.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from liveoak.errors import BadSettings


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class GateSettings(BaseModel):
    """Bounds that a candidate must keep to be served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    """Off: candidates are measured and served whatever the figures."""
    max_retention_nats: float = Field(default=0.10, ge=0)
    """Highest allowed rise of the loss on frozen general text, in nats per token, over the prior."""
    max_kl_prior: float = Field(default=1.0, ge=0)
    """Highest allowed KL(prior || candidate) on other prompts, in nats per token."""
    min_recall_gain: float = Field(default=0.0, ge=-1, le=1)
    """Smallest allowed change of recall on questions that were not trained on."""
    max_forgetting: float = Field(default=0.2, ge=0, le=1)
    """Highest allowed fall of recall on the questions that earlier lessons kept aside."""


class Settings(BaseModel):
    """Everything that one liveoak process is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Path("~/.liveoak")
    """Folder of the durable record and the versions of one agent."""
    cache: Path = Path("~/.cache/liveoak")
    """Folder of fetched priors; may be shared."""
    prior: str = "smollm2-135m"
    """`smollm2-135m`, `gemma3-270m`, `hf:ORG/NAME`, a directory, `gguf:FILE`, or `scratch`."""
    agent: str = Field(default="agent", pattern=r"^[A-Za-z0-9._-]+$")
    """The agent's name: the `model` of a request."""
    host: str = "127.0.0.1"
    """Address that the server listens on."""
    port: int = Field(default=8321, ge=0, le=65535)
    """Port that the server listens on; 0 takes a free one."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the prior; auto is bfloat16 where the device is fast in it."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of the model; 0 takes what OMP_NUM_THREADS says, else all cores that the process may use."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile steps of decoding: auto where that pays (on CPUs with a C++ compiler, for priors that are not tiny)."""
    serving_share: float = Field(default=0.45, gt=0, lt=1)
    """Part of the computing time that replies get while a lesson is studied; what they leave goes to the lesson."""
    context: int = Field(default=2048, ge=64)
    """Most tokens of prompt and reply together."""
    max_waiting: int = Field(default=64, ge=1)
    """Requests under way, until their answers are sent; further ones are refused with 429."""
    send_seconds: float = Field(default=60.0, gt=0)
    """Longest that a client may leave unread what is sent to it; then it is given up, and its reply is cancelled."""
    max_lesson_tokens: int = Field(default=8192, ge=1)
    """Longest lesson, in tokens; a longer text is read in windows of at most so many."""
    max_text_tokens: int = Field(default=524288, ge=1)
    """Longest text, in tokens."""
    harvest_sessions: int = Field(default=32, ge=1)
    """Most sessions whose feedback is learned from at once; the next call takes those that are left."""
    learn_overflow: Literal["off", "on"] = "off"
    """Chats longer than the context: off refuses them, on studies what leaves it into the session's fast weights."""
    adapter_memory_mib: int = Field(default=1024, ge=0)
    """Memory for the adapters of versions that were served; over it, those used longest ago are left to the disk."""
    max_note_tokens: int = Field(default=256, ge=1)
    """Most tokens of notes in a session's prompt, and never over a quarter of the context; the oldest leave first."""
    offer_learn: Literal["with-tools", "always", "never"] = "with-tools"
    """When the agent sees its own tools, `learn` and `note`: beside others, always, or where a request names one."""
    teachers: tuple[str, ...] = ("local",)
    """Authors who may change what everybody is served, and whose feedback counts; others' waits in quarantine."""
    accept_licence: tuple[str, ...] = ()
    """Names of priors whose licence you have read and accepted."""
    gate: GateSettings = GateSettings()

    @property
    def team(self) -> int:
        """How many CPU threads the model takes."""
        told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        return self.threads or (int(told) if told.isdecimal() else 0) or cores()


def load_settings(**options: Any) -> Settings:
    """Settings from options (those not None), environment and file.

    Raises:
        BadSettings: an unknown key or a value out of range, with its name.
    """
    given = {key: value for key, value in options.items() if value is not None}
    home = Path(given.get("home") or os.environ.get("LIVEOAK_HOME") or Settings().home).expanduser()
    merged = {**_from_file(home / "liveoak.toml"), **_from_environment(), **given, "home": home}
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise BadSettings(f"setting {name!r} = {problem['input']!r}: {problem['msg']}") from None
    return settings.model_copy(update={"cache": settings.cache.expanduser()})


def _from_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: not valid TOML: {error}") from None


def _from_environment() -> dict[str, Any]:
    names = set(Settings.model_fields) - {"gate"}
    found: dict[str, Any] = {}
    for name in names:
        value = os.environ.get(f"LIVEOAK_{name.upper()}")
        if value is not None:
            is_list = name in ("teachers", "accept_licence")
            found[name] = tuple(part for part in value.split(",") if part) if is_list else value
    return found
