"""Who goes first where more ask than can be answered at once."""

from __future__ import annotations

import tiny_priors

from liveoak.engine import Decoder, Request, Ticket
from liveoak.records import Sampling


def ask(decoder: Decoder, asker: str, number: int = 0, *, tokens: int = 3) -> Ticket:
    sampling = Sampling(temperature=1.0, seed=number, max_tokens=tokens, pattern="[a-z]{9}")
    return decoder.submit(Request(ids=tiny_priors.some_ids(4, number), slot=None, sampling=sampling, asker=asker))


def order_of_ends(decoder: Decoder, tickets: dict[str, Ticket]) -> list[set[str]]:
    ends: list[set[str]] = []
    while any(not ticket.done.is_set() for ticket in tickets.values()):
        waiting = {name for name, ticket in tickets.items() if not ticket.done.is_set()}
        decoder.step()
        if ended := {name for name in waiting if tickets[name].done.is_set()}:
            ends.append(ended)
    return ends


def test_one_who_asks_much_does_not_keep_others_waiting() -> None:
    decoder = Decoder(tiny_priors.tiny_engine(), max_running=2)
    tickets = {f"much {number}": ask(decoder, "much", number) for number in range(4)}
    tickets |= {"one": ask(decoder, "one", 5), "two": ask(decoder, "two", 6)}
    # Two places: one for who asks much, one for the others in turn, and in the end both for who asks much.
    assert order_of_ends(decoder, tickets) == [{"much 0", "one"}, {"much 1", "two"}, {"much 2", "much 3"}]


def test_among_equals_who_asked_first_goes_first() -> None:
    decoder = Decoder(tiny_priors.tiny_engine(), max_running=1)
    tickets = {name: ask(decoder, name, number) for number, name in enumerate("abcd")}
    assert order_of_ends(decoder, tickets) == [{"a"}, {"b"}, {"c"}, {"d"}]


def test_a_large_request_whose_turn_it_is_is_not_passed_by() -> None:
    decoder = Decoder(tiny_priors.tiny_engine(), max_running=4, cache_tokens=40)
    tickets = {
        "first": ask(decoder, "a", 0, tokens=8),
        "large": ask(decoder, "b", 1, tokens=30),
        "small": ask(decoder, "c", 2, tokens=3),
    }
    assert order_of_ends(decoder, tickets) == [{"first"}, {"large"}, {"small"}]
