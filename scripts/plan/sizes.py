"""Sizes that costs follow from: the catalog's and the networks'."""

from dataclasses import dataclass
from pathlib import Path

SAMPLE = 1 << 26  # bytes of a catalog that are looked at to count its pictures


@dataclass(frozen=True)
class CatalogSize:
    """Pictures and bytes of train.bson and test.bson, and the number of classes."""

    train_pictures: int
    train_bytes: int
    test_pictures: int
    test_bytes: int
    classes: int


PUBLISHED_CATALOG = CatalogSize(12_371_293, int(58.2e9), 3_095_080, int(14.5e9), 5270)


def catalog_size(config: dict) -> CatalogSize:
    """The catalog's size, counted in the first bytes of each file and scaled up."""
    folder = Path(config["catalog"])
    (train, train_bytes), (test, test_bytes) = (
        _file_size(folder / f"{name}.bson", config.get("generate_catalog", {}).get(f"{name}_products", 0))
        for name in ("train", "test")
    )
    names = folder / "category_names.csv"
    lines = names.read_bytes().count(b"\n") - 1 if names.exists() else PUBLISHED_CATALOG.classes
    return CatalogSize(train, train_bytes, test, test_bytes, lines)


def _file_size(path: Path, products: int) -> tuple[int, int]:
    """Pictures and bytes of a file; one that is still to be drawn has two pictures of 5 kB per product."""
    if not path.exists():
        return 2 * products, 10_000 * products
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    return round(head.count(b"picture\0") * size / max(len(head), 1)), size


def parameter_count(spec: dict, classes: int) -> int:
    """The number of a network's weights, without the small vectors of batch normalisation."""
    families = {"resnext": _resnext, "dpn": _dpn, "densenet": _densenet, "efficientnet-lite": _efficientnet_lite}
    count, inner = families[spec["family"]](spec)
    kernel = 3 if spec["family"] == "efficientnet-lite" else 7  # of the first convolution
    return round(count + 3 * kernel**2 * spec["stem"] + inner * classes)


def _resnext(spec: dict) -> tuple[float, int]:
    count, inner = 0.0, spec["stem"]
    for units, filters in zip(spec["units"], spec["filters"], strict=True):
        width = spec["width"] * filters
        block = 9 * width**2 / spec["groups"] + width * filters
        block += 2 * spec.get("se_ratio", 0) * filters**2
        count += units * block + inner * (width + filters) + (units - 1) * filters * width
        inner = filters
    return count, inner


def _dpn(spec: dict) -> tuple[float, int]:
    count, inner = 0.0, spec["stem"]
    for units, filters, increment in zip(spec["units"], spec["filters"], spec["increments"], strict=True):
        width = spec["k_r"] * filters / 256
        count += inner * (filters + 2 * increment)
        for unit in range(units):
            if unit > 0:
                inner = filters + (unit + 2) * increment
            count += inner * width + 9 * width**2 / spec["groups"] + width * (filters + increment)
        inner = filters + (units + 2) * increment
    return count, inner


def _densenet(spec: dict) -> tuple[float, int]:
    count, inner = 0.0, spec["stem"]
    for stage, units in enumerate(spec["units"]):
        if stage > 0:
            halved = int(inner * spec["compression"])
            count += inner * halved
            inner = halved
        hidden = spec["bottleneck"] * spec["growth"]
        for _ in range(units):
            count += inner * hidden + 9 * hidden * spec["growth"]
            inner += spec["growth"]
    return count, inner


def _efficientnet_lite(spec: dict) -> tuple[float, int]:
    count, inner = 0.0, spec["stem"]
    for stage, (units, filters) in enumerate(zip(spec["units"], spec["filters"], strict=True)):
        for _ in range(units):
            hidden = inner * (6 if stage else 1)
            count += (inner * hidden if stage else 0) + spec["kernels"][stage] ** 2 * hidden + hidden * filters
            inner = filters
    return count + inner * spec["head"], spec["head"]
