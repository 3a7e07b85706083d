"""Laws of whole loss curves: closed forms, derivatives, exact shortcuts, bad input."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from isoloss.errors import DataError, IsolossError, UsageError
from isoloss.fitting import fit_curves
from isoloss.laws import (
    Curve,
    Curves,
    Law,
    LearningRates,
    Points,
    annealing_area,
    multi_power,
    point_columns,
)

MULTI_POWER = np.array([3.0, 0.5, 0.5, 400.0, 2.0, 0.6, 0.65])
AREA = np.array([2.5, 0.6, 0.5, 0.4, 800.0])
WARM = LearningRates.cosine(3000, 3e-4, 3e-5, warmup=200)
SCHEDULES = {
    "constant": LearningRates.constant(2000, 3e-4, warmup=200),
    "cosine": WARM,
    "linear": LearningRates.linear(2000, 3e-4, 1e-5, warmup=100),
    "exponential": LearningRates.stable_decay(2500, 3e-4, 3e-5, decay_from=1800, warmup=200),
    "two_stage": LearningRates.two_stage(2500, 3e-4, 9e-5, switch=900, warmup=200),
    "cycles": LearningRates(2e-4 + 1e-4 * np.cos(np.arange(2400) / 90)),
    "rough": LearningRates(np.random.default_rng(0).uniform(1e-4, 3e-4, 1500)),
}


def points(schedule: LearningRates, every: int = 97, start: int = 210) -> Points:
    return Points(schedule, np.arange(start, len(schedule), every))


def multi_power_by_hand(theta: np.ndarray, rates: np.ndarray, step: int) -> float:
    """The definition, term by term (arXiv:2503.12811, eq. 2)."""
    l0, a, alpha, b, c, beta, gamma = theta
    drop = 0.0
    for k in range(1, step + 1):
        later = rates[k : step + 1].sum()
        drop += (rates[k - 1] - rates[k]) * (1 - (c * later / rates[k] ** gamma + 1) ** -beta)
    return l0 + a * rates[: step + 1].sum() ** -alpha - b * drop


def area_by_hand(theta: np.ndarray, rates: np.ndarray, step: int) -> float:
    """The definition as a recursion (arXiv:2408.11029, eq. 1)."""
    l0, a, alpha, c, memory = theta
    momentum = area = 0.0
    for i in range(1, step + 1):
        momentum = (1 - 1 / memory) * momentum + (rates[i - 1] - rates[i])
        area += momentum
    return l0 + a * rates[: step + 1].sum() ** -alpha - c * area


def values(law: Law, theta: np.ndarray, at: Points | Sequence[Points]) -> np.ndarray:
    return law.value(theta, point_columns([at] if isinstance(at, Points) else at))


@pytest.mark.parametrize("name", SCHEDULES)
def test_multi_power_equals_its_definition(name: str) -> None:
    at = points(SCHEDULES[name], every=301)
    exact = [multi_power_by_hand(MULTI_POWER, at.schedule.values, s) for s in at.steps]
    np.testing.assert_allclose(values(multi_power([at]), MULTI_POWER, at), exact, rtol=1e-11)


@pytest.mark.parametrize("name", SCHEDULES)
def test_annealing_area_equals_its_definition(name: str) -> None:
    at = points(SCHEDULES[name], every=301)
    exact = [area_by_hand(AREA, at.schedule.values, s) for s in at.steps]
    np.testing.assert_allclose(
        values(annealing_area([at], decay=None), AREA, at), exact, rtol=1e-11
    )
    fixed = annealing_area([at], decay=1 - 1 / AREA[4])
    np.testing.assert_allclose(values(fixed, AREA[:4], at), exact, rtol=1e-11)


@pytest.mark.parametrize(
    ("c", "beta", "gamma"),
    [(1e-3, 0.2, 0.2), (0.4, 0.11, 0.9), (2e-3, 0.25, 1.36), (300, 0.3, 1.2), (20, 3, 0.9)],
)
def test_the_short_sum_is_the_whole_sum(c: float, beta: float, gamma: float) -> None:
    """24,000 steps of a cosine: the shortcut of `_loss_drop` keeps ten digits of the loss."""
    at = Points(LearningRates.cosine(24000, 3e-4, 3e-5, warmup=2160), [2200, 9001, 17000, 23999])
    theta = np.array([3.0, 0.5, 0.5, 400.0, c, beta, gamma])
    rates, area = at.schedule.values, at.schedule.area
    exact = []
    for step in at.steps:
        k = np.arange(1, step + 1)
        x = c * (area[step] - area[k - 1]) / rates[k] ** gamma
        drop = ((rates[k - 1] - rates[k]) * (1 - (1 + x) ** -beta)).sum()
        exact.append(3.0 + 0.5 * area[step] ** -0.5 - 400 * drop)
    np.testing.assert_allclose(values(multi_power([at]), theta, at), exact, rtol=1e-11)


def test_a_constant_schedule_has_no_drop() -> None:
    at = points(LearningRates.constant(2000, 3e-4))
    power = 3.0 + 0.5 * (3e-4 * (at.steps + 1)) ** -0.5
    np.testing.assert_allclose(values(multi_power([at]), MULTI_POWER, at), power, rtol=1e-13)
    flat = np.array([3.0, 0.5, 0.5, 0.4])
    np.testing.assert_allclose(values(annealing_area([at]), flat, at), power, rtol=1e-13)


def test_a_single_fall_by_hand() -> None:
    at = Points(LearningRates.two_stage(1000, 2e-4, 1e-4, switch=500), [499, 500, 700])
    rates = at.schedule.area
    late = 1e-4 * np.array([1, 201])
    drop = 400 * 1e-4 * (1 - (2.0 * late / 1e-4**0.65 + 1) ** -0.6)
    expected = 3.0 + 0.5 * rates[at.steps] ** -0.5 - np.concatenate(([0.0], drop))
    np.testing.assert_allclose(values(multi_power([at]), MULTI_POWER, at), expected, rtol=1e-13)
    area = 1e-4 * (1 - 0.999 ** np.array([0, 1, 201])) / 0.001
    expected = 2.5 + 0.6 * rates[at.steps] ** -0.5 - 0.4 * area
    law = annealing_area([at])
    np.testing.assert_allclose(values(law, AREA[:4], at), expected, rtol=1e-13)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("law_name", ["multi_power", "annealing", "annealing with memory"])
def test_jacobian_equals_finite_differences(name: str, law_name: str) -> None:
    at = [points(SCHEDULES[name]), points(WARM, every=500)]
    law = {
        "multi_power": multi_power,
        "annealing": annealing_area,
        "annealing with memory": lambda a: annealing_area(a, decay=None),
    }[law_name](at)
    theta = MULTI_POWER if law_name == "multi_power" else AREA[: len(law.parameters)]
    data = point_columns(at)
    exact = law.jacobian(theta, data)
    assert exact.shape == (len(at[0]) + len(at[1]), len(law.parameters))
    for i, value in enumerate(theta):
        step = np.zeros_like(theta)
        step[i] = 1e-5 * value
        numeric = (law.value(theta + step, data) - law.value(theta - step, data)) / (2 * step[i])
        np.testing.assert_allclose(exact[:, i], numeric, rtol=1e-6, atol=1e-8 / abs(value))


@pytest.mark.parametrize("law", [multi_power, lambda at: annealing_area(at, decay=None)])
def test_batches_and_parts_of_the_points(law: Callable[[Sequence[Points]], Law]) -> None:
    at = [points(WARM), points(SCHEDULES["two_stage"])]
    bound = law(at)
    theta = MULTI_POWER if bound.name == "multi_power" else AREA
    thetas = theta * np.linspace(0.9, 1.1, 6)[:, None]
    data = point_columns(at)
    some = {name: column[[30, 2, 2]] for name, column in data.items()}
    for function in (bound.value, bound.jacobian):
        batch = function(thetas, data)
        for row, one in zip(batch, thetas, strict=True):
            np.testing.assert_allclose(row, function(one, data), rtol=1e-14)
        np.testing.assert_array_equal(function(thetas.reshape(2, 3, -1), data)[1, 2], batch[5])
        np.testing.assert_array_equal(function(thetas, some), batch[:, [30, 2, 2]])


def synthetic(law: Callable[[Sequence[Points]], Law], theta: np.ndarray) -> Curves:
    """Noise-free curves of three schedules."""
    kept = []
    for name in ("cosine", "constant", "two_stage"):
        at = points(SCHEDULES[name], every=40, start=250)
        kept.append(Curve(name, at.schedule, at.steps, values(law([at]), theta, at)))
    return Curves(kept)


def test_multi_power_is_recovered_without_noise() -> None:
    curves = synthetic(multi_power, MULTI_POWER)
    fit = fit_curves(curves, objective="squared", starts=8, bootstrap=0)
    np.testing.assert_allclose(fit.theta, MULTI_POWER, rtol=1e-6)
    held_out = points(SCHEDULES["exponential"])
    np.testing.assert_allclose(
        fit.predict(held_out.schedule, held_out.steps),
        values(multi_power([held_out]), MULTI_POWER, held_out),
        rtol=1e-8,
    )


@pytest.mark.parametrize("decay", [None, 0.995])
def test_annealing_is_recovered_without_noise(decay: float | None) -> None:
    theta = AREA if decay is None else AREA[:4]
    curves = synthetic(lambda at: annealing_area(at, decay=decay), theta)
    fit = fit_curves(curves, "annealing", decay=decay, flat_warmup=False, starts=8, bootstrap=0)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-6)


def test_a_flat_warmup_counts_as_the_peak() -> None:
    warm = LearningRates.two_stage(1000, 3e-4, 1e-4, switch=500, warmup=100)
    cold = LearningRates.two_stage(1000, 3e-4, 1e-4, switch=500)
    np.testing.assert_array_equal(warm.with_flat_warmup().values, cold.values)
    cycles = LearningRates([1e-4, 2e-4, 1e-4, 3e-4])
    np.testing.assert_array_equal(cycles.with_flat_warmup().values, [2e-4, 2e-4, 1e-4, 3e-4])


def test_schedules_have_the_shape_they_say() -> None:
    cosine = LearningRates.cosine(24000, 3e-4, 3e-5, warmup=2160).values
    assert cosine[0] == 0
    assert cosine[2159] == cosine[2160] == 3e-4
    assert cosine[13080] == pytest.approx(1.65e-4)
    linear = LearningRates.linear(100, 2e-4, 1e-4).values
    assert (linear[0], linear[50]) == (2e-4, pytest.approx(1.5e-4))
    falling = LearningRates.stable_decay(100, 4e-4, 1e-4, decay_from=50).values
    assert (falling[50], falling[75]) == (pytest.approx(4e-4), pytest.approx(2e-4))
    with pytest.raises(ValueError, match="read-only"):
        linear[0] = 1.0


def test_a_fit_says_what_it_did() -> None:
    curves = synthetic(lambda at: annealing_area(at), AREA[:4])
    fit = fit_curves(curves, "annealing", flat_warmup=False, starts=8, bootstrap=0)
    text = fit.summary()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "two_stage" in text
    assert "no intervals" in text
    answer = fit.to_dict()
    assert answer["params"]["alpha"]["low"] is None
    assert "bootstrap=0" in answer["params"]["alpha"]["low_reason"]
    assert [c["name"] for c in answer["curves"]] == ["cosine", "constant", "two_stage"]
    assert fit.error(next(iter(curves))) == pytest.approx(fit.errors["cosine"], abs=1e-12)
    assert fit.to_frame().shape[0] == 4


def test_falls_that_never_come_are_not_identified() -> None:
    at = points(SCHEDULES["constant"], every=20)
    noise = 1 + 1e-3 * np.random.default_rng(0).standard_normal(len(at))
    losses = values(multi_power([at]), MULTI_POWER, at) * noise
    fit = fit_curves([Curve("constant", at.schedule, at.steps, losses)], starts=8, bootstrap=0)
    assert not fit.trusted or any(e.at_bound for e in fit.params.values())


GOOD = LearningRates.constant(100, 1e-3)
BAD: list[tuple[Callable[[], object], type[IsolossError], str]] = [
    (lambda: LearningRates([]), DataError, "one a step"),
    (lambda: LearningRates([1e-3, -1e-3]), DataError, "step 1"),
    (lambda: LearningRates([1e-3, np.nan]), DataError, "step 1"),
    (lambda: LearningRates(["fast"]), DataError, "numbers"),
    (lambda: LearningRates([0.0, 0.0]), DataError, "learns nothing"),
    (lambda: LearningRates.constant(10, 0.0), UsageError, "must be positive"),
    (lambda: LearningRates.constant(10, 1e-3, warmup=11), UsageError, "warm-up of 11"),
    (lambda: LearningRates.two_stage(10, 1e-3, 1e-4, switch=10), UsageError, "switch"),
    (lambda: LearningRates.stable_decay(9, 1e-3, 1e-4, decay_from=1, warmup=2), UsageError, "from"),
    (
        lambda: LearningRates.stable_decay(9, 1e-3, 1e-4, decay_from=1, shape="sharp"),  # type: ignore[arg-type]
        UsageError,
        "sharp",
    ),
    (lambda: Curve("a", GOOD, [], []), DataError, "'a' has no points"),
    (lambda: Curve("a", GOOD, [5, 100], [3, 3]), DataError, "0 to 99, found step 100"),
    (lambda: Curve("a", GOOD, [-1], [3]), DataError, "found step -1"),
    (lambda: Curve("a", GOOD, [1.5], [3]), DataError, "found step 1.5"),
    (lambda: Curve("a", GOOD, [9, 9], [3, 3]), DataError, "must rise"),
    (lambda: Curve("a", GOOD, [8, 9], [3]), DataError, "2 steps, but losses"),
    (lambda: Curve("a", GOOD, [8, 9], [3, 0]), DataError, "step 9"),
    (lambda: Curves([]), DataError, "no loss curve"),
    (lambda: Curves([Curve("a", GOOD, [9], [3])] * 2), DataError, "two curves are called 'a'"),
    (lambda: multi_power([]), DataError, "no loss curve"),
    (
        lambda: multi_power([Points(LearningRates([1e-3, 0.0, 1e-3]), [2])]),
        DataError,
        "zero at step 1",
    ),
    (lambda: annealing_area([Points(LearningRates([0.0, 1e-3]), [0, 1])]), DataError, "nothing"),
    (lambda: annealing_area([Points(GOOD, [5])], decay=1.0), UsageError, "below 1"),
    (
        lambda: fit_curves([Curve("a", GOOD, [8, 9], [3, 3])]),
        DataError,
        "2 points cannot fix the 7",
    ),
    (lambda: fit_curves([Curve("a", GOOD, [8], [3])], "cosine"), UsageError, "cosine"),  # type: ignore[arg-type]
    (lambda: fit_curves([Curve("a", GOOD, [8], [3])], starts=0), UsageError, "start"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD)
def test_bad_input_is_named(
    make: Callable[[], object], error: type[IsolossError], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()
