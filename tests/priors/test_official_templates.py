"""The chat templates that models of four families are published with, as TRL carries them.

They are read where TRL is installed, or from its wheel, which is fetched once; no text of theirs is kept here. Each
meets the tokenizer of its family: the one that the tests make, and Gemma's own.
"""

from __future__ import annotations

import dataclasses
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_families import FAMILIES, made_for
from chat_strategies import TOOLS, chats, marked, plain, thoughtful
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_priors import real_prior
from test_render import own, same

from liveoak.config import load_settings
from liveoak.errors import Unavailable
from liveoak.priors import ChatTokenizer
from liveoak.priors.cache import make_once
from liveoak.priors.catalogue import Wheel
from liveoak.priors.wheels import extract, fetch_wheel
from liveoak.records import Message, ToolCall

TRL = Wheel(
    project="trl",
    version="1.16.0",
    file="trl-1.16.0-py3-none-any.whl",
    sha256="c4726e139dd40e1a41661511c639c8a68416782b2e3e8c0befebd77bb7ba0396",
    size=948_205,
)
OFFICIAL = {
    "llama3": "llama3",
    "llama3_1": "llama3",
    "llama3_2": "llama3",
    "qwen2_5": "qwen3",
    "qwen3": "qwen3",
    "qwen3_instruct_2507": "qwen3",
    "gemma": "gemma",
    "gemma3": "gemma",
}
"""Each template, and the family whose control tokens it writes."""
ONE_CALL = ("llama3_1", "llama3_2")
"""They refuse several calls at once."""
LONG = st.sampled_from(["word " * 2000, "é\n" * 3000, " \n"])
sometimes = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def template(name: str) -> str:
    """The published template, or a skip: in CI it must be there."""
    spec = find_spec("trl")
    if spec is not None and spec.origin is not None:
        installed = Path(spec.origin).parent / "chat_templates" / f"{name}.jinja"
        if installed.is_file():
            return installed.read_text(encoding="utf-8")
    try:
        return (_fetched() / f"{name}.jinja").read_text(encoding="utf-8")
    except Unavailable as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the published templates are not to be had: {error}")


def _fetched() -> Path:
    cache = load_settings().cache

    def fill(partial: Path) -> dict[str, object]:
        wheel = fetch_wheel(TRL, into=partial, beside=cache / "wheels", report=lambda done: None)
        for name in OFFICIAL:
            extract(wheel, f"trl/chat_templates/{name}.jinja", to=partial / f"{name}.jinja")
        if wheel.parent == partial:
            wheel.unlink()
        return {"source": TRL.sha256}

    return make_once(cache / "templates" / f"trl-{TRL.version}", fill)


@pytest.fixture(scope="module", params=OFFICIAL)
def official(request: pytest.FixtureRequest) -> tuple[str, ChatTokenizer]:
    name: str = request.param
    family = FAMILIES[OFFICIAL[name]]
    return name, made_for(dataclasses.replace(family, name=name, template=template(name)))


@sometimes
@given(data=st.data(), generate=st.booleans(), with_tools=st.booleans())
def test_equals_the_published_template(
    official: tuple[str, ChatTokenizer], data: st.DataObject, generate: bool, with_tools: bool
) -> None:
    name, tokenizer = official
    replies = st.one_of(plain, thoughtful) if tokenizer.traits.reasoning else None
    messages = data.draw(chats(st.one_of(plain, LONG), parallel=name not in ONE_CALL, replies=replies))
    same(tokenizer, messages, TOOLS if with_tools else (), generate)


@sometimes
@given(data=st.data())
def test_markers_stay_text_in_the_published_template(official: tuple[str, ChatTokenizer], data: st.DataObject) -> None:
    name, tokenizer = official
    messages = data.draw(chats(marked, parallel=name not in ONE_CALL))
    harmless = tuple(
        dataclasses.replace(
            message,
            content="x" if message.content.strip() else message.content,
            tool_calls=tuple(dataclasses.replace(call, arguments="{}") for call in message.tool_calls),
        )
        for message in messages
    )
    control = set(tokenizer.hf.all_special_ids) | set(tokenizer.stop_ids)
    control |= {number for number, token in tokenizer.hf.added_tokens_decoder.items() if token.special}
    rendered, wanted = tokenizer.render(messages, TOOLS).ids, own(tokenizer, harmless, TOOLS)
    assert [number for number in rendered if number in control] == [number for number in wanted if number in control]


def test_what_the_published_templates_support_is_found(official: tuple[str, ChatTokenizer]) -> None:
    name, tokenizer = official
    assert tokenizer.traits.native_tools == (OFFICIAL[name] == "qwen3" or name in ONE_CALL)
    assert tokenizer.traits.alternates == (OFFICIAL[name] == "gemma")
    assert tokenizer.traits.system == (name != "gemma")
    assert tokenizer.traits.reasoning == (name == "qwen3")
    assert tokenizer.invocation
    reply = 'I look.\n<tool_call>\n{"name": "learn", "arguments": {"topic": "x"}}\n</tool_call>'
    if name in ONE_CALL:
        reply = '{"name": "learn", "parameters": {"topic": "x"}}'
    (call,) = tokenizer.parse_reply(reply, new_id=lambda: "1").tool_calls
    assert call == ToolCall(id="1", name="learn", arguments='{"topic": "x"}')


@pytest.fixture(scope="module")
def gemmas_own() -> Any:
    """The family's own tokenizer, which comes without a template."""
    return real_prior("gemma3-270m", dtype=torch.bfloat16).tokenizer.hf


@pytest.fixture(scope="module", params=["gemma", "gemma3"])
def gemma(request: pytest.FixtureRequest, gemmas_own: Any) -> ChatTokenizer:
    gemmas_own.chat_template = template(request.param)
    return ChatTokenizer(gemmas_own)


@pytest.mark.prior
@sometimes
@given(messages=chats(st.one_of(plain, LONG)), generate=st.booleans(), with_tools=st.booleans())
def test_equals_gemmas_template_with_its_own_tokenizer(
    gemma: ChatTokenizer, messages: tuple[Message, ...], generate: bool, with_tools: bool
) -> None:
    same(gemma, messages, TOOLS if with_tools else (), generate)
