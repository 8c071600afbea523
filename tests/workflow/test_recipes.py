"""workflow.recipes reads the published phases into one recipe per epoch, which holds what the epoch uses."""

import pytest

from workflow import recipes

# Epochs per model: the README's table of the published solution.
PUBLISHED_EPOCHS = {
    **{"M01": 23, "M02": 13, "M03": 13, "M04": 20, "M05": 20, "M06": 11, "M07": 15},
    **{"M08": 18, "M09": 15, "M10": 19, "M11": 15, "M12": 17, "M13": 13, "M14": 20},
}


def rates(config, model):
    return [rate for _, rate, _ in recipes.epoch_settings(config["models"][model])]


def test_every_model_has_its_published_epochs(config):
    assert {name: recipes.epoch_count(model) for name, model in config["models"].items()} == PUBLISHED_EPOCHS


@pytest.mark.parametrize(
    ("model", "epoch", "rate"),
    # The logs' epoch e is epoch e + 1 here.
    [("M01", 8, 0.02), ("M01", 9, 0.004), ("M01", 23, 0.00016), ("M10", 12, 2e-5), ("M14", 18, 8e-7)],
)
def test_learning_rates_follow_the_logs(config, model, epoch, rate):
    assert rates(config, model)[epoch - 1] == rate


def test_a_phase_starts_where_a_published_process_did(config):
    model = config["models"]["M11"]
    starts = [epoch for epoch in range(1, 16) if recipes.starts_phase(model, epoch)]
    assert starts == [1, 5, 11]


def test_states_stay_where_the_rate_changes_and_at_the_end(config):
    model = config["models"]["M07"]
    assert [epoch for epoch in range(1, 16) if recipes.keeps_states(model, epoch, "steps")] == [6, 10, 13, 15]


@pytest.mark.parametrize(
    ("epoch", "epochs_per_job", "superseded"),
    [(2, 1, []), (3, 1, [1]), (9, 1, [1, 2, 3, 4, 5, 7]), (7, 3, [1, 2, 3, 4, 5]), (8, 3, []), (9, 3, [])],
)
def test_an_epoch_removes_only_states_that_no_job_starts_from_again(config, epoch, epochs_per_job, superseded):
    config["training"]["epochs_per_job"] = epochs_per_job
    assert recipes.superseded_epochs(config["models"]["M07"], epoch, config["training"]) == superseded


@pytest.mark.parametrize(("keep_states", "kept"), [("all", [*range(1, 16)]), (4, [4, 8, 12, 15]), (20, [15])])
def test_states_stay_as_often_as_asked_for_and_at_the_end(config, keep_states, kept):
    model = config["models"]["M07"]
    assert [epoch for epoch in range(1, 16) if recipes.keeps_states(model, epoch, keep_states)] == kept


def test_a_later_change_leaves_earlier_recipes_alone(config):
    before = [recipes.epoch_recipe(config, "M07", epoch) for epoch in range(1, 16)]
    config["models"]["M07"]["phases"][0]["schedule"][2]["learning_rate"] = 5e-6
    after = [recipes.epoch_recipe(config, "M07", epoch) for epoch in range(1, 16)]
    assert [epoch for epoch in range(1, 16) if before[epoch - 1] != after[epoch - 1]] == [11, 12, 13]


def test_momentum_and_weight_decay_belong_to_the_optimizers_that_use_them(config):
    before = {name: recipes.epoch_recipe(config, name, 1) for name in config["models"]}
    config["training"].update(momentum=0.5, weight_decay=0.1)
    changed = {name for name in before if before[name] != recipes.epoch_recipe(config, name, 1)}
    assert changed == {"M01", "M08"}


def test_only_the_first_epoch_of_a_model_with_a_start_transfers(config):
    config["models"]["M02"]["start"] = {}
    assert recipes.epoch_recipe(config, "M11", 1)["transfer"] == {
        "min_transfer": config["models"]["M11"]["min_transfer"]
    }
    assert recipes.epoch_recipe(config, "M11", 2)["transfer"] is None
    assert recipes.epoch_recipe(config, "M02", 1)["transfer"] is None


def test_a_network_of_timm_is_known_by_its_name_and_predicted_by_pytorch(config):
    named = {"family": "timm", "name": "convnext_tiny", "features": 768}
    config["networks"]["dpn-92"] = named | {"parameters": 27_820_128, "image": {"deviation": [1, 2, 3]}}
    recipe = recipes.epoch_recipe(config, "M02", 1)
    assert recipe["network"] == named
    assert recipe["image"] == config["image"] | {"deviation": [1, 2, 3]}
    assert [recipes.prediction(config, model)["engine"] for model in ("M01", "M02")] == ["mxnet", "torch"]


def test_the_published_speed_does_not_belong_to_a_network(config):
    assert "published_images_per_second" not in recipes.network_spec(config, "M14")


def fine_tuned(config) -> dict:
    """M01 with what published recipes do not have."""
    config["networks"]["resnext-101-32x4d"]["image"] = {"size": 160, "resize": 200, "scale": 0.5}
    schedule = [
        {"learning_rate": 0.003, "epochs": 2, "warmup_steps": 0, "decay": "constant"},
        {"learning_rate": 0.002, "epochs": 3, "warmup_steps": 50, "decay": "cosine"},
    ]
    phase = config["models"]["M01"]["phases"][0]
    phase.update(optimizer="adamw", weight_decay=0.02, body_rate=0.1, train="classifier", schedule=schedule)
    config["models"]["M01"]["phases"] = [phase]
    return config


def test_a_recipe_of_fine_tuning_holds_what_is_set(config):
    first, last = (recipes.epoch_recipe(fine_tuned(config), "M01", epoch) for epoch in (2, 5))
    assert first["image"] == {"size": 160, "resize": 200, "mean": [0, 0, 0], "scale": 0.5}
    assert (first["weight_decay"], first["body_rate"], first["train"]) == (0.02, 0.1, "classifier")
    assert "course" not in first
    assert last["course"] == {"decay": "cosine", "warmup_steps": 50, "epochs": 3, "after": 2}
    assert "image" not in last["network"]


def test_mixup_and_the_average_of_weights_belong_to_the_epochs_of_their_phase(config):
    before = [recipes.epoch_recipe(config, "M01", epoch) for epoch in range(1, 24)]
    config["models"]["M01"]["phases"][1].update(mixup=0.2, weight_average=0.99)
    after = [recipes.epoch_recipe(config, "M01", epoch) for epoch in range(1, 24)]
    added = {"mixup": 0.2, "weight_average": 0.99}
    assert after == before[:11] + [recipe | added for recipe in before[11:15]] + before[15:]


def test_an_engine_is_in_a_recipe_only_where_it_is_not_the_usual_one(config):
    before = recipes.epoch_recipe(config, "M01", 1)
    config["models"]["M01"]["engine"] = "torch"
    assert recipes.epoch_recipe(config, "M01", 1) == before | {"engine": "torch"}


def test_published_recipes_know_nothing_of_fine_tuning(config):
    every = [recipes.epoch_recipe(config, name, 1) for name in config["models"]]
    assert not any(
        {"course", "body_rate", "train", "engine", *recipes.OF_TORCH_ALONE} & set(recipe) or "resize" in recipe["image"]
        for recipe in every
    )
