"""The sizes of a catalog, which costs follow from."""

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
