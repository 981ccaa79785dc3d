"""The distributions that priors are written in."""

from dataclasses import dataclass

from mrp.errors import PriorError

__all__ = ["AutoBeta", "HalfNormal", "Lkj", "Normal", "PcMixing", "Prior"]

# Beyond these a prior means what it means at them on the logit scale, and its square is no number any more.
_LEAST, _MOST = 1e-6, 1e6
_LEAST_SHARE = 1e-3
_RANGE = f"from {_LEAST:g} to {_MOST:g}"


@dataclass(frozen=True, slots=True)
class Normal:
    """Prior of an intercept or a coefficient."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _require(self, abs(self.mean) <= _MOST and _is_scale(self.sd), f"a finite mean and an sd above 0, {_RANGE}")

    def __str__(self) -> str:
        return f"normal({self.mean:g}, {self.sd:g})"


@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Prior of a standard deviation."""

    scale: float

    def __post_init__(self) -> None:
        _require(self, _is_scale(self.scale), f"a finite scale above 0, {_RANGE}")

    def __str__(self) -> str:
        return f"half_normal({self.scale:g})"


@dataclass(frozen=True, slots=True)
class Lkj:
    """Prior of the correlations of a term with slopes: density proportional to determinant ** (eta - 1)."""

    eta: float

    def __post_init__(self) -> None:
        _require(self, _is_scale(self.eta), f"a finite eta above 0, {_RANGE}")

    def __str__(self) -> str:
        return f"lkj({self.eta:g})"


@dataclass(frozen=True, slots=True)
class AutoBeta:
    """Prior of an autocorrelation r: (r + 1) / 2 is Beta(a, b)."""

    a: float
    b: float

    def __post_init__(self) -> None:
        _require(self, _is_scale(self.a) and _is_scale(self.b), f"finite a and b above 0, {_RANGE}")

    def __str__(self) -> str:
        return f"beta({self.a:g}, {self.b:g})"


@dataclass(frozen=True, slots=True)
class PcMixing:
    """Prior of the share phi of variance that is alike between neighbours: P(phi < upper) is probability.

    It penalises complexity: see `mrp.mixing`.
    """

    upper: float
    probability: float

    def __post_init__(self) -> None:
        proper = all(_LEAST_SHARE <= number <= 1 - _LEAST_SHARE for number in (self.upper, self.probability))
        _require(self, proper, f"two numbers between 0 and 1, from {_LEAST_SHARE:g} to {1 - _LEAST_SHARE:g}")

    def __str__(self) -> str:
        return f"pc({self.upper:g}, {self.probability:g})"


type Prior = Normal | HalfNormal | Lkj | AutoBeta | PcMixing


def _is_scale(number: float) -> bool:
    return _LEAST <= number <= _MOST


def _require(prior: Prior, is_proper: bool, wanted: str) -> None:
    if not is_proper:
        raise PriorError(f"there is no prior {prior}; it needs {wanted}")
