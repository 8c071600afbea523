"""How fast machines work, where no finished job has told it yet."""

PUBLISHED_GPUS = 8  # that published speeds of training are of
# Pictures per second on as many GPUs of a network that nobody published a speed of: those of DPN-107, the slowest.
UNPUBLISHED_SPEED = 246.0
# What a GPU of today is worth with PyTorch in the published ones, an estimate: by timm's table of one RTX 3090 (AMP,
# 224 pixels), the 14 trainings take 1,450 of its hours, where the published GPUs took about 16,000.
TORCH_GPU_IN_GPUS = 11
CPU_IN_GPUS = 0.1  # what a machine without GPUs is worth: a guess
VIEWS = 2  # of a picture that is predicted: itself and its mirror
# A forward pass beside a training step. The published log of M07's predictions has 640 to 910 pictures and mirrors per
# second, in the middle 775; on the same 8 GPUs M07 trained on 338 pictures per second.
FORWARD_SPEEDUP = 2.3
# Multiplications and additions of matrices of float32 per second and thread, with what a head does beside them.
MULTIPLYING = 20e9
STREAMING = 100e6  # bytes per second of a file that is read or written from its start to its end
DRAWING = 0.5e6  # bytes per second of a catalog that is drawn
SHUFFLING = 30e6  # bytes per second of pictures that are read in a random order


def training_speed(network: dict, gpus: int, engine: str) -> float:
    """Pictures per second that a network, given as in the configuration, trains on; 0 GPUs: on the CPU."""
    published = network.get("published_images_per_second", UNPUBLISHED_SPEED)
    worth = gpus * (TORCH_GPU_IN_GPUS if engine == "torch" else 1) or CPU_IN_GPUS
    return published * worth / PUBLISHED_GPUS


def is_published(network: dict, gpus: int) -> bool:
    """Whether the speed follows from a published one and is no guess."""
    return gpus > 0 and "published_images_per_second" in network
