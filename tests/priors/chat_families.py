"""Four families of chat templates, written for these tests from the formats that the models document.

Each comes with a small byte-level tokenizer, trained here, that has the family's control tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from liveoak.priors.chat import ChatTokenizer

CHATML = """\
{%- if messages[0].role != 'system' -%}
<|im_start|>system
You answer briefly and kindly.<|im_end|>
{{ '' }}
{%- endif -%}
{%- for m in messages -%}
{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
"""

LLAMA3 = """\
{{- bos_token }}
{%- macro head(role) %}{{ '<|start_header_id|>' ~ role ~ '<|end_header_id|>\n\n' }}{% endmacro %}
{%- set ns = namespace(list=messages, system='') %}
{%- if messages[0].role == 'system' %}
  {%- set ns.system = messages[0].content | trim %}
  {%- set ns.list = messages[1:] %}
{%- endif %}
{{- head('system') }}
{%- if tools %}{{ 'Environment: ipython\n' }}{% endif %}
{{- 'Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n' ~ ns.system ~ '<|eot_id|>' }}
{%- for m in ns.list %}
  {%- if m.tool_calls is defined and m.tool_calls %}
    {%- if m.tool_calls | length != 1 %}{{ raise_exception('one call at a time') }}{% endif %}
    {%- set f = m.tool_calls[0].function %}
    {{- head('assistant') ~ '{"name": "' ~ f.name ~ '", "parameters": ' ~ f.arguments | tojson ~ '}<|eot_id|>' }}
  {%- elif m.role == 'tool' %}
    {{- head('ipython') ~ m.content | tojson ~ '<|eot_id|>' }}
  {%- elif loop.first and tools %}
    {%- if m.role != 'user' %}{{ raise_exception('tools need a first user message') }}{% endif %}
    {{- head('user') ~ 'These functions can be called, with a JSON object of name and parameters.\n\n' }}
    {%- for t in tools %}{{ t | tojson(indent=4) ~ '\n\n' }}{% endfor %}
    {{- m.content | trim ~ '<|eot_id|>' }}
  {%- else %}
    {{- head(m.role) ~ m.content | trim ~ '<|eot_id|>' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ head('assistant') }}{% endif %}
"""

QWEN3 = """\
{%- if tools %}
  {{- '<|im_start|>system\n' }}
  {%- if messages[0].role == 'system' %}{{ messages[0].content ~ '\n\n' }}{% endif %}
  {{- '# Tools\n\nSignatures within <tools></tools>:\n<tools>' }}
  {%- for t in tools %}{{ '\n' ~ t | tojson }}{% endfor %}
  {{- '\n</tools>\n\nCall with JSON within <tool_call></tool_call>:\n<tool_call>\n{"name": <name>}\n</tool_call>' }}
  {{- '<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
  {{- '<|im_start|>system\n' ~ messages[0].content ~ '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(query=messages | length - 1) %}
{%- for m in messages %}
  {%- set result = m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>') %}
  {%- if m.role == 'user' and not result %}
    {%- set ns.query = loop.index0 %}
  {%- endif %}
{%- endfor %}
{%- for m in messages %}
  {%- set content = m.content if m.content is string else '' %}
  {%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}
    {{- '<|im_start|>' ~ m.role ~ '\n' ~ content ~ '<|im_end|>\n' }}
  {%- elif m.role == 'assistant' %}
    {%- set thought = '' %}
    {%- if m.reasoning_content is string %}
      {%- set thought = m.reasoning_content %}
    {%- elif '</think>' in content %}
      {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
      {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {{- '<|im_start|>assistant\n' }}
    {%- if loop.index0 > ns.query and (loop.last or thought) %}
      {{- '<think>\n' ~ thought.strip('\n') ~ '\n</think>\n\n' ~ content.lstrip('\n') }}
    {%- else %}
      {{- content }}
    {%- endif %}
    {%- for call in m.tool_calls or [] %}
      {%- if not loop.first or content %}{{ '\n' }}{% endif %}
      {%- set f = call.function %}
      {{- '<tool_call>\n{"name": "' ~ f.name ~ '", "arguments": ' }}
      {{- f.arguments if f.arguments is string else f.arguments | tojson }}
      {{- '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
  {%- elif m.role == 'tool' %}
    {%- if loop.previtem is not defined or loop.previtem.role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}
    {{- '\n<tool_response>\n' ~ content ~ '\n</tool_response>' }}
    {%- if loop.last or loop.nextitem.role != 'tool' %}{{ '<|im_end|>\n' }}{% endif %}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
"""

GEMMA = """\
{{- bos_token }}
{%- set ns = namespace(list=messages, prefix='') %}
{%- if messages[0].role == 'system' %}
  {%- set ns.prefix = messages[0].content ~ '\n\n' %}
  {%- set ns.list = messages[1:] %}
{%- endif %}
{%- for m in ns.list %}
  {%- if (m.role == 'user') != (loop.index0 is even) %}{{ raise_exception('roles must alternate') }}{% endif %}
  {{- '<start_of_turn>' ~ ('model' if m.role == 'assistant' else m.role) ~ '\n' }}
  {{- ns.prefix if loop.first else '' }}
  {{- m.content | trim ~ '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
"""

PROSE = [
    "The old mill by the river was opened again in spring, and its keeper sells bread on Tuesdays and Fridays.",
    "A learner that forgets nothing it was shown, and asks only what it cannot find out for itself, is rare.",
    'Whoever writes {"name": "find", "arguments": {"where": "cellar", "depth": 12}} means to call a tool.',
    "Ein Brief aus Köln kam an; el niño leyó 1.234 páginas; на столе лежит книга; 東京は雨です。",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    name: str
    template: str
    special: tuple[str, ...]
    """Control tokens; the first is the end of a text, the second the end of a turn."""
    added: tuple[str, ...] = ()
    """Added tokens that are not special."""
    bos: str | None = None
    nfc: bool = False
    native_tools: bool = False


FAMILIES = {
    family.name: family
    for family in (
        Family(name="chatml", template=CHATML, special=("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<repo_name>")),
        Family(
            name="llama3",
            template=LLAMA3,
            special=(
                "<|end_of_text|>",
                "<|eot_id|>",
                "<|begin_of_text|>",
                "<|start_header_id|>",
                "<|end_header_id|>",
                "<|python_tag|>",
            ),
            bos="<|begin_of_text|>",
            native_tools=True,
        ),
        Family(
            name="qwen3",
            template=QWEN3,
            special=("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
            added=("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
            nfc=True,
            native_tools=True,
        ),
        Family(
            name="gemma",
            template=GEMMA,
            special=("<eos>", "<end_of_turn>", "<bos>", "<start_of_turn>"),
            added=("\n\n", "\n\n\n", "<td>"),
            bos="<bos>",
        ),
    )
}


@cache
def tokenizer_of(name: str) -> ChatTokenizer:
    """The family's tokenizer, with its template."""
    return made_for(FAMILIES[name])


def made_for(family: Family) -> ChatTokenizer:
    """A tokenizer that is trained on our prose and the family's template."""
    backend = Tokenizer(models.BPE())
    if family.nfc:
        backend.normalizer = normalizers.NFC()
    words = Regex(r"'s|'t| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([*PROSE, family.template], trainer)
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in family.special])
    backend.add_tokens([AddedToken(text, special=False, normalized=False) for text in family.added])
    hf = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=family.bos, eos_token=family.special[1], clean_up_tokenization_spaces=False
    )
    hf.chat_template = family.template
    return ChatTokenizer(hf)
