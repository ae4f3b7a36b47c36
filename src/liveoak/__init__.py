"""liveoak: a runtime for language-model agents that keep learning on the job."""

import os

__version__ = "0.1.0"

# Read by OpenMP (libgomp) when torch is first imported. Threads of a team wait for each other two hundred times a
# token. By default they turn for milliseconds, beside a busy process on the very core that the one waited for needs.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
