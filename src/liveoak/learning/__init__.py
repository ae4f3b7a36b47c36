"""From a lesson to a candidate: the objective, the update, the study of lessons.

Knows lessons, facts, questions, losses and steps. Knows nothing of who is served, of versions or of verdicts.
What needs torch is imported from its own module, so that documents can be read without it.
"""
