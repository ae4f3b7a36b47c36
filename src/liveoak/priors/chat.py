"""Chats to tokens and replies back to messages, for one prior."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from liveoak.priors.layout import lay_out
from liveoak.priors.lower import lower
from liveoak.priors.plain import PlainEncoder
from liveoak.priors.template import ChatTemplate, Traits
from liveoak.priors.tool_calls import ToolFormat, fresh_id
from liveoak.records import Message, Origin, Rendered, ToolSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ENDINGS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<eos>",
    "</s>",
)
"""Control tokens that end a turn or a text in the families that we know; those that a tokenizer has are stops."""


class ChatTokenizer:
    """A prior's tokenizer and chat template.

    `hf` is the Hugging Face tokenizer itself; `stop_ids` are the tokens that end a turn or a text; `tool_format` says
    how a tool call is written; `traits` says what the template supports.
    """

    def __init__(self, hf: PreTrainedTokenizerFast, *, stop_ids: Collection[int] = ()) -> None:
        self.hf = hf
        self._any = cast(Any, hf)
        self._template = ChatTemplate(hf)
        self._plain = PlainEncoder(hf, self._template.source)
        self.traits: Traits = self._template.traits
        self.tool_format: ToolFormat = self.traits.format
        self.vocab_size: int = len(self._any)
        """Rows of the tokenizer; the model's output may have more."""
        eos = self._any.eos_token_id
        named = {self._plain.ids[text] for text in _ENDINGS if text in self._plain.ids}
        self.stop_ids: frozenset[int] = frozenset(named | set(stop_ids) | ({eos} if eos is not None else set[int]()))
        self._stops = frozenset(text for text, number in self._plain.ids.items() if number in self.stop_ids)

    @property
    def tool_call_marker(self) -> str:
        """The text that begins a tool call."""
        return self.tool_format.marker

    @cached_property
    def invocation(self) -> tuple[int, ...]:
        """The tokens that open a reply, as far as what is said in it cannot join them; empty if nothing does."""
        asked = [Message(role="user", content="?")]
        before, after = self.render(asked).ids, self.render(asked, add_generation_prompt=True).ids
        opening = after[len(before) :] if after[: len(before)] == before else ()
        while opening and not cast(str, self._any.decode([opening[-1]])).strip():
            opening = opening[:-1]
        return opening

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokens of a plain text: control tokens in it are read as ordinary text."""
        return self._plain.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; control tokens such as the end of a turn leave no trace in it."""
        return cast(str, self._any.backend_tokenizer.decode(list(ids), skip_special_tokens=True))

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        *,
        add_generation_prompt: bool = False,
        origins: Sequence[Origin | None] | None = None,
    ) -> Rendered:
        """The chat as tokens with origins, as the prior's own template writes it.

        `origins` overrides, message by message, whose the content is; None keeps what the role says: system and user
        are given, tool is observed, assistant is acted. The token that ends an assistant's turn is the assistant's.

        Raises:
            UserError: roles in an order that cannot be meant, or that the template refuses.
        """
        drafts, native = lower(messages, tools, self.traits, origins)
        stretches = lay_out(
            self._template,
            drafts,
            native,
            generate=add_generation_prompt,
            controls=self._plain.pattern,
            stops=self._stops,
        )
        return self._plain.encode_stretches(stretches)

    def parse_reply(self, text: str, *, new_id: Callable[[], str] = fresh_id) -> Message:
        """An assistant's reply as content and tool calls; what cannot be read as a call stays content."""
        return self.tool_format.read(text, new_id=new_id)
