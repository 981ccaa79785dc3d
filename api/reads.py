"""Which reads show more than anybody may see without a trace: each leaves an entry in the audit chain.

Every operation that reads is declared here, as the one or the other, so that nobody forgets to decide about a new one.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["PLAIN", "SENSITIVE"]

SENSITIVE: Final[Mapping[str, str]] = {
    # What people said, row by row.
    "downloadQuarantine": "interviews-read",
    "readRespondent": "access",
    # What the model knows, draw by draw, which nobody needs who only asks.
    "getDraws": "draws-read",
    "getDataTree": "draws-read",
}
"""Operation id -> the action of the entry that is written before anything is shown."""

PLAIN: Final = frozenset(
    {
        "followEvents",
        "getBattleground",
        "getBoundaries",
        "getChange",
        # Shares and counts in it are perturbed; what is small is not in it.
        "getChecks",
        "getTrend",
        "getContrast",
        "getDiagnostics",
        "getDisclosure",
        "getDistrictProfile",
        "getErasure",
        "getEstimates",
        "getFigure",
        "getJob",
        "getMeans",
        "getMethods",
        "getMetrics",
        # Numbers about districts, and nothing of a person.
        "getPredictors",
        "getProbability",
        # Rows by their number and what is wrong with them, not what they say.
        "getQuarantine",
        "getQuestion",
        "getRank",
        "getRelease",
        "getRepresentation",
        "getRevision",
        "getSeats",
        "getSurvey",
        "getTrackRecord",
        "getWave",
        "getWaveHistory",
        "getWhomToAsk",
        "listDeliveries",
        "listDistricts",
        "listErasures",
        "listFigures",
        "listJobs",
        "listKeys",
        "listKnownResults",
        "listPredictors",
        "listQuestions",
        "listReleases",
        "listSources",
        "listSurveys",
        "listWaves",
        "listWebhooks",
    }
)
"""Operation ids of reads that show estimates, names, times, states and receipts, and nothing of a person."""
