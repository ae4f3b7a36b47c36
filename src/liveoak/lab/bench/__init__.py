"""The engine against its peers and against the machine it runs on, each side in a process of its own.

Knows how the same work is given to everybody in turn, and how the figures become ratios with intervals. Knows nothing
of how the engine does it: it uses what the engine, adapters and learning offer to all.
"""
