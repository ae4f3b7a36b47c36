"""Episodes as tokens: append-only, with origins, over several windows."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_priors import TOKENIZER

from liveoak.errors import UserError
from liveoak.learning.crediting import credited
from liveoak.learning.lived import Lived, by_window
from liveoak.learning.transcript import Layout, Transcript
from liveoak.records import Message, Origin
from liveoak.signals import Source, naive_transition, reward, transition

LAYOUT = Layout(TOKENIZER)
END = 258


def taken(answers: list[str], *, window: int = 500, apart: frozenset[int] = frozenset()) -> tuple[Transcript, Lived]:
    """An episode whose agent says `x` each turn; the reward of turn n is n."""
    transcript = Transcript(LAYOUT, "rules", "start", window=window)
    for number, answer in enumerate(answers):
        transcript.act(f"t{number}", [ord("x"), END], [-1.5, -0.5], [True, True])
        over = number == len(answers) - 1
        transcript.observe(answer, reward=float(number), apart=number in apart, over=over)
    return transcript, transcript.lived("e", world="w", group="g")


def texts(lived: Lived, origin: Origin) -> list[str]:
    rendered = lived.episode.rendered
    return [TOKENIZER.decode(rendered.ids[s.start : s.end]) for s in rendered.spans if s.origin is origin]


def test_tokens_are_those_of_the_chat_itself():
    _, lived = taken(["one", "two"])
    messages = [Message(role="system", content="rules")]
    for seen in ("start", "one"):
        messages += [Message(role="user", content=seen), Message(role="assistant", content="x")]
    messages.append(Message(role="user", content="two"))
    assert lived.episode.rendered.ids == TOKENIZER.render(messages, add_generation_prompt=True).ids
    assert texts(lived, Origin.OBSERVED) == ["start", "one", "two"]
    assert texts(lived, Origin.GIVEN) == ["rules"]
    assert [turn.reward for turn in lived.episode.acted] == [0.0, 1.0]
    assert lived.worth == 1.0
    for turn in lived.episode.acted:
        assert [lived.episode.rendered.ids[place] for place in turn.places] == [ord("x"), END]
        assert turn.logprobs == (-1.5, -0.5)


def test_each_prompt_begins_with_the_one_before_and_what_was_said():
    transcript = Transcript(LAYOUT, "rules", "start", window=500)
    before = transcript.prompt
    transcript.act("t", [120], [-1.0], [True])
    transcript.observe("seen")
    # The end of the turn, which the agent did not say, is put there and is not its own.
    assert transcript.prompt[: len(before) + 2] == (*before, 120, END)
    acted = transcript.lived("e", world="w", group="g").episode.acted
    assert acted[0].places == (len(before),)


def test_forced_tokens_are_not_the_agents():
    transcript = Transcript(LAYOUT, "rules", "start", window=500)
    start = len(transcript.prompt)
    transcript.act("t", [114, 111, 112, 101], [-1.0, 0.0, 0.0, 0.0], [True, False, False, False])
    transcript.observe("seen", reward=1.0, over=True)
    lived = transcript.lived("e", world="w", group="g")
    assert lived.episode.acted[0].places == (start,)
    assert texts(lived, Origin.ACTED) == ["r"]


def test_the_reward_of_a_turn_without_a_choice_goes_to_the_turn_before():
    transcript = Transcript(LAYOUT, "rules", "start", window=500)
    transcript.act("a", [120], [-1.0], [True])
    transcript.observe("seen", reward=0.25)
    transcript.act("b", [121], [0.0], [False])
    transcript.observe("end", reward=0.5, over=True)
    lived = transcript.lived("e", world="w", group="g")
    assert [turn.reward for turn in lived.episode.acted] == [0.75]


def test_a_full_window_carries_its_latest_turns_over_as_context():
    answers = [f"answer {number}" for number in range(12)]
    transcript, lived = taken(answers, window=200)
    assert len(lived.windows) > 2
    for start, end in lived.bounds:
        # A window may be longer by the last action and answer, which were seen from it and are learned there.
        assert end - start <= 200 + 45
        head = TOKENIZER.decode(lived.episode.rendered.ids[start:end])
        assert "rules" in head and "start" in head
    second = TOKENIZER.decode(lived.episode.rendered.ids[slice(*lived.bounds[1])])
    carried = [number for number in range(12) if f"answer {number}\n" in second]
    assert carried, "the latest turns are in sight"
    # Each answer is observed once; where it is seen again, it is context.
    assert texts(lived, Origin.OBSERVED) == ["start", *answers]
    assert any(text.startswith("answer") for text in texts(lived, Origin.GIVEN))
    assert len(lived.episode.acted) == 12
    assert len(transcript.prompt) <= 200 + 45


def test_another_action_in_the_place_of_a_turn_is_all_that_is_learned_of_it():
    source = Source(author="w", kind="advice")
    transcript = Transcript(LAYOUT, "rules", "start", window=120)
    prompts: list[tuple[int, ...]] = []
    for number in range(12):
        prompts.append(transcript.prompt)
        transcript.act(f"t{number}", [ord("x"), END], [-1.5, -0.5], [True, True])
        transcript.observe(f"answer {number}", over=number == 11)
    assert any(prompts[n][: len(prompts[n - 1])] != prompts[n - 1] for n in range(1, 12)), "several windows"
    for number, prompt in enumerate(prompts):
        one = transcript.instead(number, "yes", possible=(), world="w", group="g", source=source)
        rendered = one.episode.rendered
        assert rendered.ids == (*prompt, *LAYOUT.said("yes"))
        assert texts(one, Origin.DEMONSTRATED) == [TOKENIZER.decode(LAYOUT.said("yes"))]
        assert not any(span.origin in (Origin.ACTED, Origin.OBSERVED) for span in rendered.spans)
        assert (one.windows, one.episode.acted, one.source, one.worth) == ((0,), (), source, None)


@pytest.mark.parametrize(
    ("text", "possible", "open"),
    [
        ("red", ("red", "green", "blue"), "r"),
        ("red", ("red", "rope", "reed"), "ed"),
        ("no", ("no", "not now"), END),
        ("not now", ("no", "not now"), "t"),
        ("red", ("red",), ""),
        ("red", (), ("red", END)),
    ],
)
def test_of_what_was_named_only_what_was_left_open_is_learned(
    text: str, possible: tuple[str, ...], open: str | int | tuple[str, int]
):
    parts = open if isinstance(open, tuple) else (open,)
    wanted = [token for part in parts for token in ([part] if isinstance(part, int) else map(ord, part))]
    pieces = LAYOUT.named(text, possible)
    assert [token for piece in pieces for token in piece.ids] == list(LAYOUT.said(text))
    assert [piece.ids[0] for piece in pieces if piece.origin is Origin.DEMONSTRATED] == wanted
    assert {piece.origin for piece in pieces} <= {Origin.DEMONSTRATED, Origin.SCAFFOLD}


def test_what_is_out_of_sight_is_not_carried_over():
    _, lived = taken(["page two", "question", "end"], apart=frozenset({0, 1}))
    assert len(lived.windows) == 3
    shown = [TOKENIZER.decode(lived.episode.rendered.ids[start:end]) for start, end in lived.bounds]
    assert "start" not in shown[1] and "page two" in shown[1]
    assert "page two" not in shown[2] and "question" in shown[2]


def test_credit_stays_within_its_window():
    _, lived = taken([f"answer {number}" for number in range(12)], window=200)
    ids = lived.episode.rendered.ids
    credits = [
        transition(lived.episode),
        naive_transition(lived.episode.rendered),
        reward([lived.episode, taken(["no"] * 12, window=200)[1].episode]).credits[0],
    ]
    for credit in credits:
        whole = credited(lived.episode.rendered, credit, lived.episode.acted)
        if whole is None:
            continue
        parts = by_window(lived, whole)
        assert sum(len(part.wanted) for part in parts) == len(whole.wanted)
        assert [token for part in parts for token in part.targets] == list(whole.targets)
        assert [value for part in parts for value in part.credit] == list(whole.credit)
        bounds = {ids[start : end - 1] for start, end in lived.bounds}
        assert all(part.ids in bounds for part in parts)
        for part in parts:
            followers = [(*part.ids, None)[place + 1] for place in part.wanted]
            known = [f for f in zip(followers, part.targets, strict=True) if f[0] is not None]
            assert all(follower == target for follower, target in known)


def test_instructions_that_fill_the_window_are_refused():
    with pytest.raises(UserError, match=r"expected fewer than the window's 20: take a larger window"):
        Transcript(LAYOUT, "rules", "start", window=20)


@settings(max_examples=40, deadline=None)
@example(answers=["\x85", " ", "\n"], window=90)
@given(
    answers=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40), min_size=1),
    window=st.integers(90, 400),
)
def test_whatever_the_world_says_it_is_laid_out_whole(answers: list[str], window: int):
    _, lived = taken(answers, window=window)
    rendered = lived.episode.rendered
    assert rendered.spans[0].start == 0 and rendered.spans[-1].end == len(rendered.ids)
    assert all(a.end == b.start for a, b in zip(rendered.spans, rendered.spans[1:], strict=False))
    assert sum(len(turn.places) for turn in lived.episode.acted) == 2 * len(answers)
    # White space alone is the template's as much as the world's: it stands there, and nobody learns it.
    read = [TOKENIZER.decode(TOKENIZER.encode(answer)) for answer in answers]
    assert "".join(texts(lived, Origin.OBSERVED)) == "start" + "".join(text for text in read if text.strip())
    whole = TOKENIZER.decode(rendered.ids)
    assert all(f"user\n{text}\nassistant\n" in whole for text in read)
