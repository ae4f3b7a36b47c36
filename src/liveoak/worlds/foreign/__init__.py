"""Other libraries' environments as worlds of text, each imported only when it is asked for.

Knows those libraries' interfaces. Knows nothing of agents, and changes no rules but the scale of rewards.
"""
