"""Evaluation that a reviewer accepts: each number with its n, its interval, its threshold and where that came from.

Needs the extra `evaluate`. The models are for research; a report here is no proof that one is fit for patients.
"""

from lag_zoo.errors import extra

with extra("evaluate"):
    from lag_zoo.evaluate.comparison import Comparison, compare
    from lag_zoo.evaluate.report import Report, count_rows, evaluate
    from lag_zoo.evaluate.results import LabelResult
    from lag_zoo.evaluate.scores import Scores, score

__all__ = ["Comparison", "LabelResult", "Report", "Scores", "compare", "count_rows", "evaluate", "score"]
