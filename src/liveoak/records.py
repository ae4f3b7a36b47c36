"""What the stages hand on to each other.

Every record is frozen and knows no stage: who makes it, stores it or learns from it is told elsewhere.
Times are seconds since the epoch, token ranges are half open, log-probabilities are natural.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Effort = Literal["low", "medium", "high"]
FeedbackKind = Literal["reward", "correction", "comment"]
Finish = Literal["stop", "length", "tool_calls", "cancelled"]


class Origin(StrEnum):
    """Who wrote a token, which decides what can be learned from it."""

    SCAFFOLD = "scaffold"
    """Template tokens."""
    GIVEN = "given"
    """Instructions and questions."""
    OBSERVED = "observed"
    """What tools and worlds answer."""
    ACTED = "acted"
    """Sampled by the agent."""
    DEMONSTRATED = "demonstrated"
    """Written by somebody better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Tokens `start:end` of a rendered sequence, all of one origin."""

    origin: Origin
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A chat as tokens. `spans` are in order and cover `ids` without gap or overlap."""

    ids: tuple[int, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What one signal says of each token of a sequence: how much of its loss counts. 0: nothing is learned from it."""

    signal: str
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the agent sees it. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call by the agent. `arguments` is JSON text, as the agent wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message, before it is rendered."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One stream of turns between an agent and a user or a world."""

    id: str
    agent: str
    author: str
    """Whose session it is: a user's or tenant's name."""
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a session, as it was lived. Acted turns carry tokens, log-probabilities and the version."""

    id: str
    session: str
    index: int
    """Place in the session, from 0, without gaps."""
    message: Message
    origin: Origin
    created: float
    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """One per id, under the version that sampled it, before temperature; 0 where the token was forced."""
    version: str | None = None
    spans: tuple[Span, ...] = ()
    """Of `ids`, in order and without gap: acted where the agent chose, scaffold where the runtime or a grammar left it
    no choice. Empty: all of them are of `origin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text that the agent keeps in the prompt of a session."""

    id: str
    session: str
    turn: str
    """The turn in which the agent called `note`."""
    text: str
    tokens: int
    """What it takes of the prompt."""
    created: float
    dropped: str | None = None
    """The later note that it made room for; None: it is in the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What somebody says of a turn. Only trusted feedback may be learned from."""

    id: str
    turn: str
    author: str
    kind: FeedbackKind
    created: float
    value: float | None = None
    """The reward, in [-1, 1]."""
    text: str | None = None
    """The correction or comment."""
    trusted: bool = False
    """False: in quarantine until an author who is allowed to teach confirms it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QA:
    """A question with its true answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """How to answer a prompt."""

    prompt: str
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What one `learn` call teaches. A document is a lesson whose `source` is its text."""

    id: str
    topic: str
    statements: tuple[str, ...] = ()
    questions: tuple[QA, ...] = ()
    demonstrations: tuple[Demonstration, ...] = ()
    source: str = ""
    effort: Effort = "medium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One measurement of a candidate against what is served."""

    name: str
    unit: str
    before: float
    after: float
    limit: float
    """The bound that the probe was held against; the gate's page says of which quantity."""
    passed: bool
    n: int
    """How many questions or tokens were measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says of a candidate. A refusal has at least one reason."""

    kept: bool
    reasons: tuple[str, ...]
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a lesson did, with figures: the answer to a `learn` call."""

    lesson: str
    topic: str
    version: str
    """Served from now on: the new version if kept, else the one served before."""
    parent: str
    questions_trained: int
    tokens_trained: int
    """Tokens with credit, summed over steps."""
    tokens_processed: int
    """All tokens run forward and backward, summed over steps."""
    steps: int
    loss_before: float
    """Nats per credited token, before the first step."""
    loss_after: float
    recall_before: float
    """Share of the questions kept out of training that are answered, by exact or contained answer."""
    recall_after: float
    recall_n: int
    retention_nats: float
    """Change in nats per token on frozen general text; positive is damage."""
    kl_prior: float
    """KL(prior || candidate) in nats per token on other prompts."""
    seconds: float
    verdict: Verdict
    share: float = 1.0
    """Share of the study's change that the candidate kept; the rest was taken back for the sake of general text."""
    windows: int = 1
    """In how many pieces the text was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An immutable snapshot: adapter, optimizer state, lineage. `id` is a digest of its content."""

    id: str
    agent: str
    parent: str | None
    session: str | None
    """None: slow weights, the agent's. Else: the session's own fast weights."""
    created: float
    prior: str
    """Fingerprint of the prior that it stands on."""
    lessons: tuple[str, ...] = ()
    """Every lesson it was made from, oldest first."""
    verdict: Verdict | None = None
    """None for the first version, which is the prior itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What came of learning from what trusted people said of served turns."""

    sessions: tuple[str, ...]
    """Those that were learned from."""
    left: int
    """Sessions of which something new was said, and that wait for the next harvest."""
    version: str
    """Served from now on."""
    credited: Mapping[str, int]
    """Tokens that were learned from, by signal."""
    refused: tuple[str, ...]
    """For each source of demonstrations that was refused, why."""
    proof: Proof | None
    """Named after the last of the lessons that stand for the sessions. None: nothing new was said that teaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a reply is drawn. Temperature 0 is greedy."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_logprobs: int = 0
    schema: dict[str, Any] | None = None
    """A JSON schema that the reply must follow."""
    pattern: str | None = None
    """A regular expression that the whole reply must match."""
    exact: bool = False
    """Computed afresh, without cached beginnings: figures then do not depend on what was asked before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A request for one reply."""

    messages: tuple[Message, ...]
    model: str
    """`AGENT`, or `AGENT@VERSION` to pin one."""
    author: str
    session: str | None = None
    """None: a session of its own."""
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or a tool's name."""
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """A token, its log-probability, and the likeliest tokens at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a reply."""

    text: str
    tokens: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnStarted:
    """The agent called `learn`; the reply goes on when the lesson is through."""

    call: ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A lesson is through. `proof` is None and `error` says why where it failed."""

    call: ToolCall
    proof: Proof | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """The agent called `note`. `note` is None and `error` says why where nothing was kept."""

    call: ToolCall
    note: Note | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The reply is complete and durable."""

    finish: Finish
    message: Message
    version: str
    session: str
    turn: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The reply broke off."""

    error: Exception


ReplyEvent = Delta | LearnStarted | Learned | Noted | Finished | Failed
