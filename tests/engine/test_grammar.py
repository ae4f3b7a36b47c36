"""Replies under a grammar, by a model that would rather say anything else."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_priors import TOKENIZER, VOCABULARY

from liveoak.engine import Completion, Decoder, Engine, Request
from liveoak.engine.grammar import Grammars
from liveoak.errors import LiveoakError, UserError
from liveoak.priors import load_prior
from liveoak.records import Sampling

Schema = dict[str, Any]


@cache
def engine() -> Engine:
    return Engine(load_prior("scratch", cache=Path("unused")))


def say(seeds: list[int] | range, **sampling: Any) -> list[Completion]:
    ids = TOKENIZER.encode("say: ")
    options: dict[str, Any] = {"max_tokens": 400, **sampling}
    requests = [Request(ids=ids, slot=None, sampling=Sampling(seed=seed, **options)) for seed in seeds]
    return Decoder(engine()).generate(requests)


def leaf() -> st.SearchStrategy[Schema]:
    return st.sampled_from(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"type": "integer", "minimum": -20, "maximum": 99},
            {"type": "string", "maxLength": 6},
            {"type": "string", "enum": ["é", 'a "quote"', "back\\slash", "🙂"]},
            {"const": 7},
            {"enum": [1, "one", None]},
        ]
    )


def inner(schemas: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    names = st.sampled_from(["name", "größe", "a b", "x"])
    objects = st.dictionaries(names, schemas, max_size=3).flatmap(
        lambda properties: st.lists(st.sampled_from(sorted(properties) or ["none"]), unique=True, max_size=3).map(
            lambda required: {
                "type": "object",
                "properties": properties,
                "required": [name for name in required if name in properties],
                "additionalProperties": False,
            }
        )
    )
    arrays = st.tuples(schemas, st.integers(0, 2)).map(
        lambda drawn: {"type": "array", "items": drawn[0], "minItems": drawn[1], "maxItems": 2}
    )
    return objects | arrays | st.lists(schemas, min_size=1, max_size=2).map(lambda options: {"anyOf": options})


def fits(value: Any, schema: Schema) -> bool:
    """What these few kinds of schema mean."""
    if "anyOf" in schema:
        return any(fits(value, option) for option in schema["anyOf"])
    if "const" in schema:
        return value == schema["const"] and type(value) is int
    if "enum" in schema:
        return any(value == option and type(value) is type(option) for option in schema["enum"])
    match schema["type"]:
        case "object":
            return (
                isinstance(value, dict)
                and set(schema["required"]) <= set(value) <= set(schema["properties"])
                and all(fits(part, schema["properties"][name]) for name, part in value.items())
            )
        case "array":
            return (
                isinstance(value, list)
                and schema["minItems"] <= len(value) <= schema["maxItems"]
                and all(fits(part, schema["items"]) for part in value)
            )
        case "integer":
            return type(value) is int and schema["minimum"] <= value <= schema["maximum"]
        case "string":
            return isinstance(value, str) and len(value) <= schema["maxLength"]
        case "boolean":
            return isinstance(value, bool)
        case _:
            return value is None


@settings(max_examples=25, deadline=None)
@given(st.recursive(leaf(), inner, max_leaves=5), st.integers(0, 1000))
def test_a_reply_under_a_schema_always_parses_and_fits(schema: Schema, seed: int) -> None:
    for completion in say([seed, seed + 1], schema=schema, temperature=1.5):
        assert completion.finish == "stop", completion.text
        assert fits(json.loads(completion.text), schema), (completion.text, schema)


@pytest.mark.parametrize("pattern", ["[ab]{3}-(x|yy)+z", "", "é?🙂{2}", "[0-9]{4}", "(Yes|No)\\."])
def test_the_whole_reply_matches_its_pattern(pattern: str) -> None:
    for completion in say(range(4), pattern=pattern):
        assert completion.finish == "stop"
        assert re.fullmatch(pattern, completion.text), completion.text


def test_replies_under_grammars_and_free_ones_share_a_batch() -> None:
    ids = TOKENIZER.encode("say: ")
    free = Request(ids=ids, slot=None, sampling=Sampling(seed=1, max_tokens=9))
    bound = Request(ids=ids, slot=None, sampling=Sampling(seed=1, max_tokens=9, pattern="a{5}"))
    alone = Decoder(engine()).generate([free])[0]
    together = Decoder(engine()).generate([bound, free, bound])
    assert [each.text for each in together] == ["aaaaa", alone.text, "aaaaa"]


def test_a_reply_that_is_cut_says_so() -> None:
    completion = say([1], pattern="a{50}", max_tokens=20)[0]
    assert (completion.text, completion.finish) == ("a" * 20, "length")
    exact = say([1], pattern="a{20}", max_tokens=20)[0]
    assert (exact.text, exact.finish) == ("a" * 20, "stop")


def test_only_what_may_follow_is_left() -> None:
    grammars = Grammars(TOKENIZER.hf, VOCABULARY, TOKENIZER.stop_ids)
    matcher = grammars.matcher(Sampling(pattern="ab*c?"))
    assert matcher is not None
    left: list[set[int]] = []
    for token in b"abb":
        left.append(set(matcher.restrict(torch.zeros(VOCABULARY)).isfinite().nonzero().flatten().tolist()))
        matcher.advance(token)
        assert not matcher.finished
    assert left == [{97}, {98, 99, 256, 258}, {98, 99, 256, 258}]
    matcher.advance(99)
    assert matcher.finished
    assert grammars.matcher(Sampling()) is None


def test_a_grammar_that_was_left_is_told_not_taken_for_finished() -> None:
    matcher = Grammars(TOKENIZER.hf, VOCABULARY, TOKENIZER.stop_ids).matcher(Sampling(pattern="ab"))
    assert matcher is not None
    with pytest.raises(LiveoakError, match="cannot be followed any further"):
        matcher.advance(99)


def test_what_cannot_be_followed_is_refused() -> None:
    grammars = Grammars(TOKENIZER.hf, VOCABULARY, TOKENIZER.stop_ids)
    for sampling, named in [
        (Sampling(pattern="a("), "cannot be followed"),
        (Sampling(schema={"type": "nonsense"}), "cannot be followed"),
        (Sampling(schema={}, pattern="a"), "not both"),
        (Sampling(schema={"enum": [object()]}), "no JSON"),
    ]:
        with pytest.raises(UserError, match=named):
            grammars.matcher(sampling)
