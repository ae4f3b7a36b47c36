"""Experiments on the outer loop: does an agent learn what to teach itself?

Knows streams of material, fixed ways to act and prices. Knows nothing of servers or of how a gradient is made.
"""
