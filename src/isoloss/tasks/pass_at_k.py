"""The share of problems solved by at least one of k samples, estimated without bias."""

from __future__ import annotations

import math

from isoloss.errors import UsageError


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Chance that of k samples, drawn from these without replacement, at least one passes.

    1 - C(n-c, k) / C(n, k) for c passed of n samples (Chen et al. 2021, arXiv:2107.03374, eq. 1),
    as 1 minus a product of k factors below one, since the binomials themselves overflow.

    Raises:
        UsageError: k or `passed` does not lie within the number of samples.

    >>> pass_at_k(4, 1, 2)
    0.5
    >>> pass_at_k(200, 0, 100), pass_at_k(200, 101, 100)
    (0.0, 1.0)
    """
    if not 1 <= k <= samples:
        raise UsageError(
            f"pass@{k} cannot be had from {samples:,} samples", hint=f"Make at least {max(k, 1)}."
        )
    if not 0 <= passed <= samples:
        raise UsageError(f"passed must lie in 0 to {samples:,}, found {passed:,}")
    failed = samples - passed
    return 1.0 - math.prod((failed - i) / (samples - i) for i in range(min(k, failed + 1)))
