"""The sizes of a catalog, which all costs follow from."""

from dataclasses import dataclass
from pathlib import Path

from catalog.layout import PICTURE_FIELD

PIECES, PIECE = 64, 1 << 20  # of a file that are looked at to count its pictures, and their bytes
# Of the published catalog: 7,772,910 of 12,371,293 pictures are distinct. Of others it is known once they are indexed.
DISTINCT = 0.63


@dataclass(frozen=True)
class FileSize:
    """Pictures and bytes of a file of products."""

    pictures: int
    bytes: int


@dataclass(frozen=True)
class CatalogSize:
    """train.bson, test.bson and the number of classes."""

    train: FileSize
    test: FileSize
    classes: int


PUBLISHED_CATALOG = CatalogSize(FileSize(12_371_293, 58_200_000_000), FileSize(3_095_080, 14_500_000_000), 5_270)


def catalog_size(config: dict) -> CatalogSize:
    """The size of a configuration's catalog, which need not be drawn yet."""
    folder = Path(config["catalog"])
    drawn = config.get("generate_catalog", {})
    train, test = (_file_size(folder / f"{name}.bson", drawn.get(f"{name}_products", 0)) for name in ("train", "test"))
    return CatalogSize(train, test, class_count(folder / "category_names.csv"))


def _file_size(path: Path, products: int) -> FileSize:
    """A file's pictures and bytes; one to be drawn has two pictures of 5 kB per product."""
    if not path.exists():
        return FileSize(2 * products, 10_000 * products)
    size = path.stat().st_size
    return FileSize(_pictures(path, size), size)


def _pictures(path: Path, size: int) -> int:
    """Pictures of a file: counted where it is small, else in pieces that are spread over it, and scaled up.

    Catalogs are sorted by many things, so the beginning of a file does not tell how large its pictures are.
    """
    if size <= PIECES * PIECE:
        return path.read_bytes().count(PICTURE_FIELD)
    found = 0
    with path.open("rb", buffering=0) as file:
        for number in range(PIECES):
            file.seek(number * (size - PIECE) // (PIECES - 1))
            found += file.read(PIECE).count(PICTURE_FIELD)
    return round(found * size / (PIECES * PIECE))


def class_count(names: Path) -> int:
    """Categories by the lines of category_names.csv, which has a head; the published number without that file."""
    if not names.exists():
        return PUBLISHED_CATALOG.classes
    return max(len(names.read_bytes().splitlines()) - 1, 1)
