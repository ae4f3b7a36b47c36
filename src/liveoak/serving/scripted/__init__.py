"""A host without a model, for tests of the HTTP face and of programs that talk to it.

It answers exactly the questions that it was taught, in the version that is asked. A few words in a request make it
misbehave: the last user message `fail` breaks the reply off, `stall` never ends, `study: TOPIC` makes it call `learn`,
`note: TEXT` makes it call `note`; a lesson on the topic `refused` is refused by its gate, one on `diverged` fails, one
on `slow` waits for `let_go`; a note of `too much` is refused.
"""

from liveoak.serving.scripted.host import ScriptedHost
from liveoak.serving.scripted.replies import IGNORANCE

__all__ = ["IGNORANCE", "ScriptedHost"]
