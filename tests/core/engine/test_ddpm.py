"""The algebra of DDPM against closed forms."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tumordiff_core.engine import ddpm, samplers, schedules

VARIANCE = 0.3**2
LEVELS = st.floats(1e-4, 0.999)


def psnr_gap(worse, better, truth):
    return 10 * float(torch.log10(((worse - truth) ** 2).mean() / ((better - truth) ** 2).mean()))


def gaussian_case(sigma, seed=0, shape=(8, 1, 96, 96)):
    generator = torch.Generator().manual_seed(seed)
    x_0 = torch.randn(shape, generator=generator, dtype=torch.float64) * VARIANCE**0.5
    eps = torch.randn(shape, generator=generator, dtype=torch.float64)
    alpha_bar = float(schedules.alpha_bar_of(sigma))
    return x_0, ddpm.diffuse(x_0, alpha_bar, eps), alpha_bar, eps, generator


def exact_clean_of(x_t, alpha_bar):
    return ddpm.clean_from_eps(x_t, alpha_bar, ddpm.gaussian_prior_eps(x_t, alpha_bar, VARIANCE))


@given(alpha_bar=LEVELS, seed=st.integers(0, 99))
def test_closed_form_of_x0_undoes_the_forward_process(alpha_bar, seed):
    generator = torch.Generator().manual_seed(seed)
    x_0, eps = torch.randn((2, 1, 1, 5, 5), generator=generator, dtype=torch.float64)
    x_t = ddpm.diffuse(x_0, alpha_bar, eps)
    assert torch.allclose(ddpm.clean_from_eps(x_t, alpha_bar, eps), x_0, atol=1e-9)
    assert torch.allclose(ddpm.eps_from_clean(x_t, alpha_bar, x_0), eps, atol=1e-9)


@given(alpha_bar_t=LEVELS, share=st.floats(0.01, 0.99))
def test_posterior_is_bayes_rule_for_two_gaussians(alpha_bar_t, share):
    alpha_bar_s = alpha_bar_t + (1 - alpha_bar_t) * share
    beta = 1 - alpha_bar_t / alpha_bar_s
    x_0, x_t = torch.tensor([0.4], dtype=torch.float64), torch.tensor([-0.7], dtype=torch.float64)
    precision = (1 - beta) / beta + 1 / (1 - alpha_bar_s)
    mean = ((1 - beta) ** 0.5 / beta * x_t + alpha_bar_s**0.5 / (1 - alpha_bar_s) * x_0) / precision
    found = ddpm.posterior(x_t, x_0, alpha_bar_t, alpha_bar_s)
    assert torch.allclose(found.mean, mean, rtol=1e-9)
    assert float(found.std) == pytest.approx(precision**-0.5, rel=1e-9)


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3])
def test_posterior_sample_lies_three_decibels_below_the_posterior_mean(sigma):
    x_0, x_t, alpha_bar, _, generator = gaussian_case(sigma)
    mean = samplers.one_step(x_t, alpha_bar, exact_clean_of)
    chain = samplers.levels_from(sigma, 400)
    sample = samplers.ancestral(x_t, chain, exact_clean_of, generator)
    assert psnr_gap(sample, mean, x_0) == pytest.approx(3.01, abs=0.1)


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3])
def test_the_papers_mistake_is_worse_than_its_noisy_input(sigma):
    x_0, x_t, alpha_bar, _, _ = gaussian_case(sigma)
    noisy = x_t / alpha_bar**0.5
    eps = ddpm.gaussian_prior_eps(x_t, alpha_bar, VARIANCE)
    assert psnr_gap(ddpm.papers_mistake(x_t, eps), noisy, x_0) > 3
    assert psnr_gap(noisy, ddpm.clean_from_eps(x_t, alpha_bar, eps), x_0) > 0


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.3, 1.0])
def test_one_step_is_the_exact_posterior_mean_of_a_gaussian_prior(sigma):
    _, x_t, alpha_bar, _, _ = gaussian_case(sigma)
    wiener = VARIANCE / (VARIANCE + sigma**2) * x_t / alpha_bar**0.5
    assert torch.allclose(samplers.one_step(x_t, alpha_bar, exact_clean_of), wiener, atol=1e-9)


def test_one_step_becomes_the_identity_as_sigma_goes_to_zero():
    _, x_t, alpha_bar, _, _ = gaussian_case(1e-5)
    assert torch.allclose(samplers.one_step(x_t, alpha_bar, exact_clean_of), x_t, atol=1e-4)


def test_deterministic_chain_repeats_and_loses_less_than_a_sample():
    x_0, x_t, alpha_bar, _, generator = gaussian_case(0.2)
    chain = samplers.levels_from(0.2, 60)
    once, twice = (samplers.ddim(x_t, chain, exact_clean_of) for _ in range(2))
    mean = samplers.one_step(x_t, alpha_bar, exact_clean_of)
    sample = samplers.ancestral(x_t, samplers.levels_from(0.2, 200), exact_clean_of, generator)
    assert torch.equal(once, twice)
    assert 0.2 < psnr_gap(once, mean, x_0) < psnr_gap(sample, mean, x_0)


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_schedules_lose_signal_monotonically_from_almost_all_to_almost_none(name):
    schedule = schedules.SCHEDULES[name](1000)
    assert np.all(np.diff(schedule.alpha_bar) < 0)
    assert schedule.alpha_bar[0] > 0.999
    assert schedule.alpha_bar[-1] < 1e-4
    assert schedule.alpha_bar == pytest.approx(np.cumprod(1 - schedule.beta), rel=1e-12)


@settings(max_examples=30)
@given(sigma=st.floats(0.02, 50))
def test_matched_time_carries_exactly_the_noise_of_the_image(sigma):
    schedule = schedules.linear()
    t = schedule.matched_time(sigma)
    found = np.exp(np.interp(t, np.arange(1000), np.log(schedule.sigma)))
    assert found == pytest.approx(sigma, rel=1e-6)


def test_five_ten_and_fifteen_percent_lie_early_on_the_papers_schedule():
    times = [round(schedules.linear().matched_time(2 * level)) + 1 for level in (0.05, 0.10, 0.15)]
    assert times == [pytest.approx(27, abs=1), pytest.approx(58, abs=1), pytest.approx(89, abs=1)]


@pytest.mark.parametrize("solver", [samplers.heun, samplers.dpm_solver_2m])
def test_fast_solvers_agree_with_the_exact_flow_of_a_gaussian_prior(solver):
    sigma = 0.3
    _, x_t, alpha_bar, _, _ = gaussian_case(sigma)
    y = x_t / alpha_bar**0.5
    exact = y * (VARIANCE / (VARIANCE + sigma**2)) ** 0.5
    found = solver(y, samplers.karras_sigmas(sigma, 20), exact_clean_of)
    assert float((found - exact).abs().max()) < 0.01 * sigma


def test_karras_levels_start_at_the_images_own_noise_and_end_at_none():
    sigmas = samplers.karras_sigmas(0.1, 12)
    assert sigmas[0] == pytest.approx(0.1)
    assert sigmas[-1] == 0
    assert all(a > b for a, b in itertools.pairwise(sigmas))


@pytest.mark.parametrize("chain", samplers.CHAINS)
def test_every_chain_ends_no_further_from_the_posterior_mean_than_a_draw(chain):
    """The deterministic ones at the end of the exact flow, the ancestral one a posterior deviation away."""
    sigma, steps = 0.2, 200
    _, x_t, alpha_bar, _, generator = gaussian_case(sigma)
    levels = samplers.levels_of(chain, samplers.levels_from(sigma, steps))
    visited = []
    found = samplers.along(chain, x_t, levels, exact_clean_of, generator, lambda k, at, _: visited.append((k, at)))
    mean = samplers.one_step(x_t, alpha_bar, exact_clean_of)
    deviation = (VARIANCE * sigma**2 / (VARIANCE + sigma**2)) ** 0.5
    away = float((found - mean).square().mean()) ** 0.5 / deviation
    if chain == "ancestral":
        assert away == pytest.approx(1, abs=0.03)
    else:
        flow = x_t / alpha_bar**0.5 * (VARIANCE / (VARIANCE + sigma**2)) ** 0.5
        assert float((found - flow).abs().max()) < 0.02 * sigma
        assert away < 0.6
    assert [k for k, _ in visited] == list(range(steps)) and torch.allclose(visited[0][1], x_t)
    for (_, at), level in zip(visited, levels, strict=True):
        assert float(at.var()) == pytest.approx(level * VARIANCE + 1 - level, rel=0.25)


@pytest.mark.parametrize("schedule", [None, schedules.linear()])
@pytest.mark.parametrize("chain", ["heun", "dpm-solver"])
def test_fast_chains_stay_between_the_levels_of_the_others(chain, schedule):
    others = samplers.levels_from(0.1, 8, schedule)
    found = samplers.levels_of(chain, others)
    assert found != pytest.approx(others) and sorted(found) == found and len(found) == 8
    assert (found[0], found[-1]) == (pytest.approx(others[0]), pytest.approx(others[-1]))
