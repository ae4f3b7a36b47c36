"""Acts of a life as served calls: what is read, what is written, and which of its tokens the agent chose."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_speech import Scripted
from small_life import QUICK, chat
from test_training import SETTINGS
from tiny_priors import TOKENIZER, tiny_engine

from liveoak.adapters import digest
from liveoak.engine import Completion, Decoder, Drawn, Engine, Request
from liveoak.engine.grammar import Grammars
from liveoak.errors import BadSettings
from liveoak.learning.outer.credit import lot_of
from liveoak.learning.outer.life import Cast, Lives
from liveoak.learning.outer.policies import always
from liveoak.learning.outer.pricing import Prices
from liveoak.learning.outer.tools import LEARN, NOTE, SKIP, Act
from liveoak.learning.transcript import Layout, Transcript
from liveoak.records import Origin, Sampling
from liveoak.runtime import Runtime
from liveoak.runtime.tools import OWN, call_schema, lesson_of, note_of
from liveoak.runtime.training.calls import Calls, topic_of
from liveoak.runtime.training.orders import TrainOrder
from liveoak.runtime.training.training import Training
from liveoak.signals import RewardSettings
from liveoak.worlds import seed_of
from liveoak.worlds.registry import source

FACT = 'The code of the "old" garage door is 4471.'
FORM = Calls(TOKENIZER.tool_format)
HANDBOOK = {"chosen": "true", "wording": "taught", "per_page": "1", "facts": "1"}
CALLED = TrainOrder(
    world="handbook",
    options=HANDBOOK,
    called=True,
    anchor=1.0,
    streams=1,
    lives=4,
    parts=2,
    passes=1,
    dense=0.5,
    price_trained=0.5,
    begin_steps=8,
    examined=1,
    window=2000,
)


def lives_of(engine: Engine) -> Lives:
    settings = replace(CALLED.living(True, engine.tokenizer), steps=1)
    return Lives(engine, Decoder(engine, kind="study"), settings, QUICK)


def cast(count: int = 1) -> list[Cast]:
    made = source(CALLED.world, **CALLED.options).material(seed_of("train", 0))
    return [Cast(stream=0, number=number, material=made) for number in range(count)]


@pytest.mark.parametrize("act", [LEARN, NOTE])
def test_an_entry_is_read_and_answered_token_by_token_as_it_is_served(
    start: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    runtime = start(max_note_tokens=256)
    tokenizer = runtime._engine.tokenizer  # pyright: ignore[reportPrivateUsage]
    living = CALLED.living(True, tokenizer)
    layout = Layout(tokenizer, living.form.tools)
    written = living.form.begins(act) + living.form.rest(act, FACT)
    open, close = tokenizer.tool_format.open, tokenizer.tool_format.close
    mouth = Scripted(runtime, monkeypatch, written, written.removeprefix(open).removesuffix(close), "Done.")
    done = runtime.ask(chat(FACT, tools=tuple(OWN.values()), sampling=Sampling(max_tokens=300)))
    assert mouth.requests[0].ids == Transcript(layout, living.instructions, FACT, window=2000).prompt
    first = next(turn for turn in runtime.experience.turns(done.session) if turn.origin is Origin.ACTED)
    assert first.ids == layout.said(written)


def test_what_is_written_is_a_call_of_the_grammar_and_means_the_entry() -> None:
    grammars = Grammars(TOKENIZER.hf, TOKENIZER.vocab_size, TOKENIZER.stop_ids)
    for act in (LEARN, NOTE):
        written = FORM.begins(act) + FORM.rest(act, FACT)
        matcher = grammars.matcher(Sampling(schema=call_schema(FORM.tools, TOKENIZER.tool_format.arguments_key)))
        assert matcher is not None
        for token in TOKENIZER.encode(written.removeprefix("<tool_call>").removesuffix("</tool_call>")):
            matcher.advance(token)
        assert matcher.finished
        (call,) = TOKENIZER.parse_reply(written).tool_calls
        assert call.name == act.verb
        if act is LEARN:
            lesson = lesson_of(call)
            assert (lesson.topic, lesson.statements, lesson.effort) == ("code garage door", (FACT,), "medium")
        else:
            assert note_of(call) == FACT
    assert FORM.begins(SKIP) + FORM.rest(SKIP, FACT) == ""
    assert topic_of("Runa has 12.") == "what I was told"
    assert pickle.loads(pickle.dumps(FORM)) == FORM


def test_the_agent_is_credited_for_what_tells_its_acts_apart_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine()
    lives = lives_of(engine)
    slow = engine.bank.new_slot(rank=2, seed=0)
    said = [(FORM.begins(LEARN), "No."), ("Yes.", FORM.begins(NOTE))]
    generate = lives.decoder.generate

    def mouth(requests: Sequence[Request]) -> list[Completion]:
        """Two lives on two pages; questions of the exam are answered by the agent itself."""
        return [_spoken(text) for text in said.pop(0)] if said else generate(requests)

    monkeypatch.setattr(lives.decoder, "generate", mouth)
    outcomes = lives.live(cast(2), slow)
    assert [one.acts for one in outcomes] == [("learn", "skip"), ("skip", "note")]
    # The tokenizer has a token a byte: `<` tells a call from all else, `l` or `n` which tool, and any other that it is
    # no call.
    for one, chosen in zip(outcomes, (("<l", "Y"), ("N", "<n")), strict=True):
        ids, turns = one.lived.episode.rendered.ids, one.lived.episode.acted
        assert tuple(TOKENIZER.decode([ids[place] for place in turn.places]) for turn in turns) == chosen
        assert {value for turn in turns for value in turn.logprobs} == {-0.5}
    entry = outcomes[0].cast.material.parts[0][0].text
    assert FORM.begins(LEARN) + FORM.rest(LEARN, entry) in TOKENIZER.decode(outcomes[0].lived.episode.rendered.ids)
    lot = lot_of(engine, outcomes, Prices(trained=1.0), RewardSettings(discount=0.0), exams=False)
    credited = {TOKENIZER.decode(act.targets) for act in lot.acts}
    assert credited and credited <= {"<l", "Y", "N", "<n"}
    assert all(len(act.ids) == act.wanted[-1] + 1 for act in lot.acts), "nothing is run after what has credit"


def _spoken(text: str) -> Completion:
    drawn = tuple(Drawn(id=id, logprob=-0.5, top=()) for id in TOKENIZER.encode(text))
    return Completion(drawn=drawn, text=text, finish="stop")


def test_where_no_words_tell_an_act_the_prior_itself_speaks_for_whoever_shows_it() -> None:
    engine = tiny_engine()
    (shown,) = lives_of(engine).shown(cast(), always("skip"))
    assert not any(span.origin is Origin.DEMONSTRATED for span in shown.episode.rendered.spans)
    assert [len(turn.places) for turn in shown.episode.acted] == [1, 1]
    assert all(shown.episode.rendered.ids[turn.places[0]] != ord("<") for turn in shown.episode.acted)
    (called,) = lives_of(engine).shown(cast(), always("learn"))
    entry = cast()[0].material.parts[0][0].text
    span = next(span for span in called.episode.rendered.spans if span.origin is Origin.DEMONSTRATED)
    ids = called.episode.rendered.ids[span.start : span.end]
    assert ids == Layout(TOKENIZER, FORM.tools).said(FORM.begins(LEARN) + FORM.rest(LEARN, entry))


def test_a_called_training_that_was_cut_off_is_that_of_one_that_was_not(tmp_path: Path) -> None:
    def trained(folder: Path, rounds: int) -> tuple[str, set[str]]:
        settings = SETTINGS.model_copy(update={"cache": tmp_path / "cache"})
        with Training(folder, CALLED, tiny_engine(), settings) as training:
            told = list(training.rounds(rounds))
            return digest(training.outer.slow), {signal for line in told for signal in line["losses"]}

    whole, signals = trained(tmp_path / "whole", 2)
    assert signals == {"reward", "anchor"}
    trained(tmp_path / "cut", 1)
    assert trained(tmp_path / "cut", 2)[0] == whole


def test_texts_are_not_learned_by_a_call() -> None:
    with pytest.raises(BadSettings, match="called: 'handbook' has texts to read"):
        CALLED.living(False, TOKENIZER)
