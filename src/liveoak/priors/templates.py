"""Chat templates of ours, for priors that come without one."""

from __future__ import annotations

CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

GEMMA = (
    "{{ bos_token }}"
    "{% set system = messages[0].content if messages[0].role == 'system' else none %}"
    "{% for message in (messages if system is none else messages[1:]) %}"
    "{% if message.role != ['user', 'assistant'][loop.index0 % 2] %}"
    "{{ raise_exception('user and assistant must take turns, and the user begins') }}"
    "{% endif %}"
    "<start_of_turn>{{ 'model' if message.role == 'assistant' else 'user' }}\n"
    "{% if loop.first and system is not none %}{{ system }}\n\n{% endif %}"
    "{{ message.content | trim }}<end_of_turn>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)

_BY_MARKER = {"<|im_start|>": CHATML, "<start_of_turn>": GEMMA}


def template_for(markers: set[str]) -> str | None:
    """The template of the family whose control tokens the tokenizer has; None if it has none that we know."""
    return next((template for marker, template in _BY_MARKER.items() if marker in markers), None)
