"""The outer loop in a folder: orders, rounds that can be cut off, exams before and after, and weights that are served.

Knows folders, priors and homes. Knows nothing of how a life is lived or what credit an act gets.
"""
