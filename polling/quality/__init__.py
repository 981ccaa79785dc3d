"""Quality flags of a wave: pure functions of its converted interviews.

Each check answers with flags, a value beside its limit in words, and names no respondent. Checks that need other waves
or a release are given what they need; ``jobs.quality`` collects it.
"""

from polling.quality.answers import answer_flags
from polling.quality.flag import Flag
from polling.quality.sample import composition_flags, drift_flags, weight_flags

__all__ = ["Flag", "answer_flags", "composition_flags", "drift_flags", "weight_flags"]
