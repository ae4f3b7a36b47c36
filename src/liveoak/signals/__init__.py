"""What a record teaches: pure functions from tokens with origins to credit.

Knows records alone. Knows nothing of models, losses or where the record came from.
"""

from liveoak.signals.imitation import imitation

__all__ = ["imitation"]
