"""liveoak: a runtime for language-model agents that keep learning on the job."""

__version__ = "0.1.0"
