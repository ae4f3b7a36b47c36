import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import a_proof, messages, proofs

from liveoak.errors import StorageError, UserError
from liveoak.experience.codec import JsonCodec, pack_floats, pack_ids, unpack_floats, unpack_ids
from liveoak.records import Message, Proof, ToolCall

MESSAGES: JsonCodec[Message] = JsonCodec(Message)
PROOFS: JsonCodec[Proof] = JsonCodec(Proof)


@given(messages)
def test_messages_come_back(message: Message) -> None:
    assert MESSAGES.decode(MESSAGES.encode(message)) == message


@given(proofs("l"))
def test_proofs_come_back_with_infinite_figures(proof: Proof) -> None:
    assert PROOFS.decode(PROOFS.encode(proof)) == proof


def test_nan_stays_nan() -> None:
    assert math.isnan(PROOFS.decode(PROOFS.encode(a_proof(loss_after=math.nan))).loss_after)


def test_text_of_a_message_is_plain_json() -> None:
    message = Message(role="assistant", content="é\n", tool_calls=(ToolCall(id="1", name="learn", arguments="{}"),))
    assert MESSAGES.encode(message) == (
        '{"role":"assistant","content":"é\\n","tool_calls":[{"id":"1","name":"learn","arguments":"{}"}],'
        '"tool_call_id":null}'
    )


def test_fields_left_out_take_their_defaults() -> None:
    assert MESSAGES.decode('{"role":"user","content":"x"}') == Message(role="user", content="x")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"role":"user","content":"x","mood":"good"}', "mood"),
        ('{"role":"user","content":3}', "content"),
        ('{"role":"bystander","content":"x"}', "role"),
        ('{"role":"user"}', "content"),
        ('{"role":"assistant","content":"","tool_calls":[{"id":"1","name":"n","arguments":"","q":1}]}', "tool_calls.0"),
        ('{"role":"us', "the whole"),
        ("null", "the whole"),
    ],
)
def test_what_is_not_a_message_is_a_damaged_store(text: str, where: str) -> None:
    with pytest.raises(StorageError, match=f"stored Message is damaged: {where}"):
        MESSAGES.decode(text)


def test_a_field_of_another_type_is_refused_before_it_is_recorded() -> None:
    with pytest.raises(UserError, match="cannot be recorded"):
        MESSAGES.encode(Message(role="user", content=3))  # type: ignore[arg-type]


def test_token_arrays_are_little_endian() -> None:
    assert pack_ids((1, 258)) == b"\x01\x00\x00\x00\x02\x01\x00\x00"
    assert pack_floats((-1.5,)) == struct.pack("<d", -1.5)
    assert pack_ids(()) == pack_floats(()) == b""


@given(st.lists(st.integers(0, 2**31 - 1)).map(tuple), st.lists(st.floats(allow_nan=False)).map(tuple))
def test_token_arrays_come_back_bit_for_bit(ids: tuple[int, ...], values: tuple[float, ...]) -> None:
    assert unpack_ids(pack_ids(ids)) == ids
    assert unpack_floats(pack_floats(values)) == values


@pytest.mark.parametrize("bad", [-1, 2**31])
def test_an_impossible_token_id_is_refused(bad: int) -> None:
    with pytest.raises(UserError, match=str(bad)):
        pack_ids((0, bad))


def test_a_cut_array_is_a_damaged_store() -> None:
    with pytest.raises(StorageError, match="7 bytes"):
        unpack_ids(b"1234567")
    with pytest.raises(StorageError, match="12 bytes"):
        unpack_floats(b"123456789012")
