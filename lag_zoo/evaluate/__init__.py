"""Evaluation that a reviewer accepts: each number with its n, its interval, its threshold and where that came from.

Needs the extra `evaluate`. The models are for research; a report here is no proof that one is fit for patients.
"""

from lag_zoo.errors import extra

with extra("evaluate"):
    from lag_zoo.evaluate.analysis import Analysis, count_rows
    from lag_zoo.evaluate.comparison import Comparison, compare
    from lag_zoo.evaluate.options import EvaluationOptions
    from lag_zoo.evaluate.report import Report, evaluate
    from lag_zoo.evaluate.results import LabelResult
    from lag_zoo.evaluate.run import evaluate_model
    from lag_zoo.evaluate.run_tables import evaluate_predictions
    from lag_zoo.evaluate.scores import Calibration, Flow, FrameTable, Scores
    from lag_zoo.evaluate.scoring import score

__all__ = [
    "Analysis",
    "Calibration",
    "Comparison",
    "EvaluationOptions",
    "Flow",
    "FrameTable",
    "LabelResult",
    "Report",
    "Scores",
    "compare",
    "count_rows",
    "evaluate",
    "evaluate_model",
    "evaluate_predictions",
    "score",
]
