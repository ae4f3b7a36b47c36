"""Peers, each at its best honest settings, answering the same jobs as our side.

Knows peft, transformers, TRL and llama.cpp, none of which needs to be installed: what is missing says so. Knows
nothing of the engine.
"""
