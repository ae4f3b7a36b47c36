"""Experiments, their exams, figures, intervals and reports, and the demonstration.

Knows how to measure an agent from outside: by asking, teaching and restarting it. Knows nothing of how it learns,
but for the recipe experiment, whose workbench opens the learner.
"""

from liveoak.lab.metrics import METRICS, Metric, metric
from liveoak.lab.order import EXPERIMENTS, Experiment, Order, experiment_named

__all__ = ["EXPERIMENTS", "METRICS", "Experiment", "Metric", "Order", "experiment_named", "metric"]
