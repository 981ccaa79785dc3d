"""Checks of a fit: does the model describe the interviews, and what in it does not?

`predictive` compares what was observed with what the fit predicts of the same interviews; `misfit` judges many such
comparisons at once; `concerns` puts what is wrong into words, the worst first.
"""

from mrp.checks.concerns import Concern, misfit_concerns, worst_first
from mrp.checks.margins import Margin, margins_of
from mrp.checks.misfit import FALSE_ALARM, MarginMisfit, judge_margins
from mrp.checks.predictive import GroupCheck, MarginCheck, posterior_predictive

__all__ = [
    "FALSE_ALARM",
    "Concern",
    "GroupCheck",
    "Margin",
    "MarginCheck",
    "MarginMisfit",
    "judge_margins",
    "margins_of",
    "misfit_concerns",
    "posterior_predictive",
    "worst_first",
]
