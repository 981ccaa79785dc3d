"""Long computations stop where they are told to: between parts they call whoever may end them.

What is called returns at once as a rule, and raises whatever it likes to end the computation, of which nothing is left
then. It is called often, and has to be cheap.
"""

from collections.abc import Callable

__all__ = ["Heed", "nobody"]

type Heed = Callable[[], None]


def nobody() -> None:
    """Let a computation run to its end."""
