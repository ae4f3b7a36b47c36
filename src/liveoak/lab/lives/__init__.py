"""Experiments on lives: agents that learn in worlds, by different signals, from different beginnings.

Knows worlds, the learner, the bit meter and the grid of cells that an experiment is made of. Knows nothing of chats,
servers or lessons.
"""
