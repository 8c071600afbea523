"""A recipe for tests of training, which changes what they are about."""

from training.recipe import Recipe

NETWORK = {"family": "resnext", "stem": 8, "units": [1, 1], "filters": [16, 32], "groups": 2, "width": 1.0}
SIZE, BATCH = 32, 8


def entries(**changes: object) -> dict:
    """The JSON of a recipe file."""
    plain = {
        "network": NETWORK,
        "image": {"size": SIZE, "mean": [123.68, 116.779, 103.939], "scale": 0.017},
        "optimizer": "nadam",
        "learning_rates": [0.01],
        "momentum": 0.0,
        "weight_decay": 0.0,
        "batch_size": BATCH,
        "dropout": 0.2,
        "label_smoothing": 0.1,
        "mirror": True,
        "hsl": [5, 20, 20],
        "seed": 1,
        "transfer": None,
    }
    return plain | changes


def recipe(**changes: object) -> Recipe:
    return Recipe(**entries(**changes))
