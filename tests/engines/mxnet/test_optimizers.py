"""Optimizers with the published settings against plain NumPy."""

import numpy as np
import pytest

from engines.mxnet import optimizers
from engines.mxnet.library import mx
from plain_recipes import recipe

RATE, BATCH = 0.1, 4
MOMENTUM, DECAY = 0.9, 0.05


def sgd(weight, gradients):
    momentum = np.zeros_like(weight)
    for gradient in gradients:
        momentum = MOMENTUM * momentum - RATE * (gradient + DECAY * weight)
        weight = weight + momentum
    return weight


def nag(weight, gradients):
    """Nesterov's momentum, in the form of Sutskever et al., 2013, with the look-ahead folded into the weights."""
    momentum = np.zeros_like(weight)
    for gradient in gradients:
        decayed = gradient + DECAY * weight
        momentum = MOMENTUM * momentum + decayed
        weight = weight - RATE * (decayed + MOMENTUM * momentum)
    return weight


def adam(weight, gradients):
    """Kingma and Ba, 2015 (arXiv:1412.6980), algorithm 1 in the faster form of its section 2."""
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    for step, gradient in enumerate(gradients, 1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        weight = weight - rate * mean / (np.sqrt(square) + 1e-8)
    return weight


def nadam(weight, gradients):
    """Dozat, Incorporating Nesterov Momentum into Adam, 2016, with the momentum schedule of its section 2."""
    mean, square, product = np.zeros_like(weight), np.zeros_like(weight), 1.0
    for step, gradient in enumerate(gradients, 1):
        now, following = (0.9 * (1 - 0.5 * 0.96 ** (at * 0.004)) for at in (step, step + 1))
        product *= now
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        expected = (1 - now) * gradient / (1 - product) + following * mean / (1 - product * following)
        weight = weight - RATE * expected / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weight


def adamw(weight, gradients):
    """Loshchilov and Hutter, 2019 (arXiv:1711.05101), algorithm 2: the decay stands beside Adam's step."""
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    for step, gradient in enumerate(gradients, 1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected = np.sqrt(square / (1 - 0.999**step))
        weight = weight - RATE * (mean / (1 - 0.9**step) / (corrected + 1e-8) + DECAY * weight)
    return weight


@pytest.mark.parametrize("rule", [sgd, nag, adam, adamw, nadam])
def test_an_update_is_the_papers_update_with_the_mean_gradient_of_the_batch(rule):
    settings = recipe(optimizer=rule.__name__, momentum=MOMENTUM, weight_decay=DECAY, batch_size=BATCH)
    updater = mx.optimizer.get_updater(optimizers.create(settings, ["fc_weight"]))
    updater.optimizer.lr = RATE
    generator = np.random.default_rng(0)
    start, sums = generator.normal(size=6), generator.normal(size=(5, 6))
    weight = mx.nd.array(start)
    for gradient in sums:
        updater(0, mx.nd.array(gradient), weight)
    np.testing.assert_allclose(weight.asnumpy(), rule(start, sums / BATCH), rtol=1e-4)


@pytest.mark.parametrize("name", ["adam", "nadam"])
def test_adam_and_nadam_do_not_decay_weights(name):
    """As published: their weight decay is 0 whatever the configuration says for the others."""
    assert optimizers.create(recipe(optimizer=name, momentum=0.9, weight_decay=0.5), []).wd == 0


@pytest.mark.parametrize(("name", "decays"), [("conv0_weight", 1), ("bn0_gamma", 1), ("bn0_beta", 0), ("fc_bias", 0)])
def test_decoupled_decay_acts_on_the_arrays_that_weight_decay_acts_on(name, decays):
    settings = recipe(optimizer="adamw", weight_decay=DECAY, batch_size=BATCH)
    optimizer = optimizers.create(settings, [name])
    optimizer.idx2name, optimizer.lr = {0: name}, RATE
    weight = mx.nd.ones(3)
    mx.optimizer.get_updater(optimizer)(0, mx.nd.zeros(3), weight)
    np.testing.assert_allclose(weight.asnumpy(), 1 - RATE * DECAY * decays, rtol=1e-6)
