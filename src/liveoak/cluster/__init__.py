"""Crews on other machines, by Ray.

Knows addresses of clusters, their nodes and how they are lost. Knows nothing of what is carried out there.
"""

from liveoak.cluster.address import hire_at
from liveoak.cluster.ray_crew import RayCrew
from liveoak.cluster.terms import Terms

__all__ = ["RayCrew", "Terms", "hire_at"]
