"""Tokens of a turn: those that the agent chose, and those that it was left no choice of."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from scripted_speech import Scripted
from small_life import FACT, LOOK, chat
from tiny_priors import TOKENIZER, scored

from liveoak.engine import Drawn, Sequence
from liveoak.records import Origin, Turn
from liveoak.runtime import Runtime
from liveoak.runtime.speech import closing, end_of_turn, opening
from liveoak.runtime.tools import offered

OPEN = TOKENIZER.tool_format.open


def drawn(*pieces: str) -> list[Drawn]:
    """Tokens of a tokenizer of bytes; each letter is one."""
    return [Drawn(id=id, logprob=-1.0, top=()) for piece in pieces for id in TOKENIZER.encode(piece)]


def told(tokens: tuple[Drawn, ...]) -> tuple[str, str]:
    """What the agent chose, and what was forced upon it."""
    chosen = TOKENIZER.decode([token.id for token in tokens if not token.forced])
    return chosen, TOKENIZER.decode([token.id for token in tokens if token.forced])


def by_origin(runtime: Runtime, turn: Turn) -> list[tuple[Origin, str]]:
    decode = runtime._engine.tokenizer.decode  # pyright: ignore[reportPrivateUsage]
    return [(span.origin, decode(turn.ids[span.start : span.end])) for span in turn.spans]


def test_what_the_agent_began_is_its_own_and_the_rest_is_forced():
    assert told(opening(TOKENIZER, drawn("Well. <tool_call>"), "Well. <tool_call>")) == ("Well. <tool_call>", "")
    assert told(opening(TOKENIZER, drawn("Well. <tool"), "Well. <tool_call>")) == ("Well. <tool", "_call>")
    assert told(opening(TOKENIZER, [], "<tool_call>")) == ("", "<tool_call>")
    # A token that runs on is dropped: the agent goes on from `wanted`, not from what it had begun to write.
    assert told(opening(TOKENIZER, drawn("Well. <tool_call>{"), "Well. <tool_call>")) == ("Well. <tool_call>", "")
    assert told(opening(TOKENIZER, drawn("Well. é"), "Well. e")) == ("Well. ", "e")


def test_a_call_is_closed_and_so_is_the_turn():
    (end,) = end_of_turn(TOKENIZER)
    assert end in TOKENIZER.stop_ids
    plain = closing(TOKENIZER, drawn("{}"), "</tool_call>")
    assert told(plain) == ("{}", "</tool_call>")
    assert [token.id for token in plain][-1] == end
    assert plain[-1].forced
    stopped = [*drawn("{}"), Drawn(id=end, logprob=-2.0, top=())]
    assert closing(TOKENIZER, stopped, "</tool_call>") == plain, "the end comes once, and last"


def test_a_forced_call_is_told_apart_from_what_was_chosen_in_it(runtime: Runtime):
    """By the real grammar on the scratch prior: `where` is north or south, and all around it follows."""
    draw = {"max_tokens": 100, "seed": 3}
    done = runtime.ask(chat("Where?", session="s", tools=(LOOK,), tool_choice="look", draw=draw))
    turn = runtime.experience.turn(done.turn)
    tokenizer = runtime._engine.tokenizer  # pyright: ignore[reportPrivateUsage]
    where = json.loads(done.message.tool_calls[0].arguments)["where"]
    whole = f'{OPEN}{{"name":"look","arguments":{{"where":"{where}"}}}}</tool_call>'
    assert tokenizer.decode(turn.ids).replace(" ", "") == whole
    assert turn.ids[-1] in tokenizer.stop_ids
    chosen = [text for origin, text in by_origin(runtime, turn) if origin is Origin.ACTED]
    assert "".join(chosen).strip() in (where[0], f"{where[0]}{where[1:]}"), chosen
    assert len(turn.logprobs) == len(turn.ids)
    for span in turn.spans:
        for place in range(span.start, span.end):
            assert (turn.logprobs[place] == 0.0) == (span.origin is Origin.SCAFFOLD)
    assert runtime.experience.turns("s")[-1] == turn


def test_log_probabilities_are_those_of_the_whole_turn(start: Callable[..., Runtime]):
    """Scored afresh with the forced tokens in place, each chosen token has the probability that was recorded."""
    runtime = start(dtype="float32")
    draw = {"max_tokens": 400, "seed": 5, "temperature": 0.7}
    request = chat(f"Remember: {FACT}", session="s", tools=(LOOK,), tool_choice="note", draw=draw)
    done = runtime.ask(request)
    turn = runtime.experience.turn(done.turn)
    engine = runtime._engine  # pyright: ignore[reportPrivateUsage]
    asked = engine.tokenizer.render(request.messages, offered(request, "with-tools"), add_generation_prompt=True).ids
    assert len(asked) == done.prompt_tokens
    ids = asked + turn.ids
    wanted = tuple(range(len(asked) - 1, len(ids) - 1))
    logits = scored(engine, [Sequence(ids=ids, wanted=wanted)]).log_softmax(-1)
    afresh = logits[torch.arange(len(turn.ids)), torch.tensor(turn.ids)].tolist()
    chosen = [place for span in turn.spans if span.origin is Origin.ACTED for place in range(span.start, span.end)]
    assert len(chosen) > 20
    assert [turn.logprobs[place] for place in chosen] == pytest.approx([afresh[place] for place in chosen], abs=1e-3)


def test_a_plain_reply_is_all_its_own(runtime: Runtime):
    turn = runtime.experience.turn(runtime.ask(chat("Hi")).turn)
    assert turn.spans == ()
    assert all(logprob < 0 for logprob in turn.logprobs)


def test_a_call_that_is_cut_off_is_not_closed(runtime: Runtime):
    done = runtime.ask(chat("Where?", tools=(LOOK,), tool_choice="look", draw={"max_tokens": 3}))
    turn = runtime.experience.turn(done.turn)
    decode = runtime._engine.tokenizer.decode  # pyright: ignore[reportPrivateUsage]
    assert decode(turn.ids) == done.message.content == f'{OPEN}{{"n'


def test_a_call_that_the_agent_began_is_recorded_with_its_beginning(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    one = json.dumps({"name": "note", "arguments": {"text": "Runa has the key."}})
    Scripted(runtime, monkeypatch, "Let me see. <tool_call>", one, "Done.")
    runtime.ask(chat("Hi", session="s", tools=(LOOK,)))
    first = runtime.experience.turns("s")[1]
    # The scripted agent says nothing of the mark that it stopped at, so that all of it is forced.
    assert by_origin(runtime, first) == [
        (Origin.ACTED, "Let me see. "),
        (Origin.SCAFFOLD, OPEN),
        (Origin.ACTED, one),
        (Origin.SCAFFOLD, "</tool_call>"),
    ]
