"""What somebody better wrote is learned from, token by token, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from liveoak.priors import ChatTokenizer
from liveoak.priors.scratch import byte_tokenizer
from liveoak.records import Message, Origin, Rendered, Span
from liveoak.signals import imitation


def rendered(*stretches: tuple[Origin, int]) -> Rendered:
    spans: list[Span] = []
    start = 0
    for origin, length in stretches:
        spans.append(Span(origin=origin, start=start, end=start + length))
        start += length
    return Rendered(ids=tuple(range(start)), spans=tuple(spans))


def test_demonstrated_tokens_alone_have_credit():
    credit = imitation(
        rendered(
            (Origin.SCAFFOLD, 2),
            (Origin.GIVEN, 1),
            (Origin.DEMONSTRATED, 3),
            (Origin.OBSERVED, 2),
            (Origin.ACTED, 1),
            (Origin.DEMONSTRATED, 1),
        )
    )
    assert credit.signal == "imitation"
    assert credit.weights == (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@given(st.lists(st.tuples(st.sampled_from(Origin), st.integers(0, 9)), max_size=12))
def test_there_is_one_weight_a_token_and_their_sum_counts_demonstrated_ones(stretches: list[tuple[Origin, int]]):
    record = rendered(*stretches)
    credit = imitation(record)
    assert len(credit.weights) == len(record.ids)
    assert set(credit.weights) <= {0.0, 1.0}
    assert sum(credit.weights) == sum(length for origin, length in stretches if origin is Origin.DEMONSTRATED)


def test_a_correction_is_learned_up_to_the_end_of_the_turn():
    tokenizer = ChatTokenizer(byte_tokenizer())
    chat = [Message(role="user", content="2+2?"), Message(role="assistant", content="four")]
    record = tokenizer.render(chat, origins=[None, Origin.DEMONSTRATED])
    credited = [id for id, weight in zip(record.ids, imitation(record).weights, strict=True) if weight]
    assert tokenizer.decode(credited) == "four"
    assert credited[-1] in tokenizer.stop_ids
    assert len(credited) == 5
    assert sum(imitation(tokenizer.render(chat)).weights) == 0, "what the agent said itself is no demonstration"
