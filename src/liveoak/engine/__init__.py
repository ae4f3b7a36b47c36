"""One model, many adapters: ragged batches forward and backward, sampling, scoring, optimizer steps.

Knows the prior, slots and token sequences. Knows nothing of lessons, versions, sessions or who asked.
"""
