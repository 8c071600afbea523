# What jobs ask of a cluster: minutes and memory from the work they do. The arithmetic is in
# scripts/workflow/resources.py, site values (partitions, account, GPU model) are in profiles/slurm/.

READING = 50e6  # bytes per second of a job that streams a catalog: a shared file system on a bad day
SHUFFLING = 15e6  # bytes per second of a job that reads pictures in a random order


def catalog_file(name):
    return Path(made().data.catalog[name])


def catalog_bytes(name):
    return catalog_pictures(name) * resources.BYTES_PER_PICTURE


@functools.cache
def catalog_pictures(name):
    return resources.catalog_pictures(catalog_file(name))


@functools.cache
def class_count():
    return resources.class_count(Path(config["catalog"], "category_names.csv"))


def image_set_pictures(images):
    """Pictures of an image set, at most: copies and known pictures are not predicted."""
    if images == "test":
        return catalog_pictures("test")
    return catalog_pictures("train") * config["valid_fraction"]


@functools.cache
def published_speed(model):
    """Pictures per second of a model's network on 8 GPUs; without a published one, that of the slowest."""
    speeds = [network.get("published_images_per_second", math.inf) for network in config["networks"].values()]
    network = config["networks"][MODELS[model]["network"]]
    return network.get("published_images_per_second", min(speeds))


def index_minutes(wildcards, attempt):
    return resources.minutes(catalog_bytes(wildcards.catalog), READING, attempt)


def index_memory(wildcards, attempt):
    index = catalog_pictures(wildcards.catalog) * resources.INDEX_BYTES
    return resources.mebibytes(2000, index, attempt)


def split_minutes(wildcards, attempt):
    return resources.minutes(2 * catalog_bytes("train"), READING, attempt)


def pack_minutes(wildcards, attempt):
    return resources.minutes(catalog_bytes("train"), SHUFFLING, attempt)


def train_index_memory(wildcards, attempt):
    return resources.mebibytes(4000, catalog_pictures("train") * resources.INDEX_BYTES, attempt)


def both_indexes_memory(wildcards, attempt):
    pictures = catalog_pictures("train") + catalog_pictures("test")
    return resources.mebibytes(2000, pictures * resources.INDEX_BYTES, attempt)


def training_minutes(wildcards, attempt):
    model = MODELS[wildcards.model]
    speed = resources.training_speed(published_speed(wildcards.model), model["gpus"])
    return resources.minutes(catalog_pictures("train"), speed, attempt)


def training_memory(wildcards, attempt):
    return resources.mebibytes(8000 + 4000 * MODELS[wildcards.model]["gpus"], 0, attempt)


def shard_probabilities(images):
    return resources.probability_bytes(image_set_pictures(images) / config["prediction"]["shards"], class_count())


def prediction_minutes(wildcards, attempt):
    speed = resources.prediction_speed(published_speed(wildcards.model), config["prediction"]["gpus"])
    pictures = image_set_pictures(wildcards.images) / config["prediction"]["shards"]
    return resources.minutes(pictures, speed, attempt)


def prediction_memory(wildcards, attempt):
    fixed = 4000 + 150 * config["prediction"]["threads"]
    return resources.mebibytes(fixed, shard_probabilities(wildcards.images), attempt)


def average_minutes(wildcards, attempt):
    members = len(ENSEMBLES[wildcards.ensemble]["models"])
    return resources.minutes(members * shard_probabilities("test"), READING, attempt)


def average_memory(wildcards, attempt):
    return resources.mebibytes(1000, 3 * shard_probabilities("test"), attempt)


def submission_minutes(wildcards, attempt):
    return resources.minutes(resources.probability_bytes(image_set_pictures("test"), class_count()), READING, attempt)


def submission_memory(wildcards, attempt):
    return both_indexes_memory(wildcards, attempt) + average_memory(wildcards, attempt)


def evaluation_minutes(wildcards, attempt):
    pictures = [
        image_set_pictures(f"valid-{recipes.seed_of(config, model)}")
        for model in recipes.as_ensemble(config, wildcards.evaluated)["models"]
    ]
    return resources.minutes(resources.probability_bytes(sum(pictures), class_count()), READING, attempt)


def evaluation_memory(wildcards, attempt):
    pictures = len(recipes.evaluated_seeds(config, wildcards.evaluated)) * catalog_pictures("train")
    return resources.mebibytes(4000, pictures * resources.INDEX_BYTES, attempt)


def check_gpus():
    """End a run before its first job where one asks for more GPUs than the run was given by --resources gpu=N."""
    if "gpu" not in workflow.resource_settings.resources:
        return
    asked = {}
    for artifact in planned():
        if artifact.rule == "train_epochs":
            model = artifact.wildcards["model"]
            asked[f"models.{model}.gpus"] = MODELS[model]["gpus"]
        elif artifact.rule == "predict_images":
            asked["prediction.gpus"] = config["prediction"]["gpus"]
    try:
        resources.check_gpus(dict(sorted(asked.items())), workflow.global_resources["gpu"].value)
    except cli.UserError as error:
        sys.exit(cli.fail(str(error)))
