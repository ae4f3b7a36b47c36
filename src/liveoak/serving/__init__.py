"""The HTTP face: OpenAI-compatible chat, lessons, versions and the record, over one runtime.

Knows HTTP, its bodies and its errors. Knows nothing of models, tokens or training: it hands records to the runtime and
tells the events that come back.
"""

from liveoak.serving.app import create_app
from liveoak.serving.host import Host
from liveoak.serving.server import serve, served

__all__ = ["Host", "create_app", "serve", "served"]
