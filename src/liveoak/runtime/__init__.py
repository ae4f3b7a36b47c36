"""The loop: a request is answered, recorded, learned from, gated, and the next one is served by what came of it.

The only package that knows every stage. It knows nothing of HTTP, terminals or experiments.
"""

from liveoak.runtime.lessons import Progress
from liveoak.runtime.replies import Reply
from liveoak.runtime.runtime import Runtime

__all__ = ["Progress", "Reply", "Runtime"]
