"""The sizes of a catalog, which all costs follow from."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from catalog.layout import PICTURE_FIELD
from workflow.catalogs import files_of, files_of_batch
from workflow.image_sets import ImageSet
from workflow.outputs import catalog_of, dump_name

PIECES, PIECE = 64, 1 << 20  # of train or test that are looked at to count its pictures, and their bytes
# Of the published catalog: 7,772,910 of 12,371,293 pictures are distinct. Of others it is known once they are indexed.
DISTINCT = 0.63


@dataclass(frozen=True)
class FileSize:
    """Pictures and bytes of a file of products."""

    pictures: int
    bytes: int


@dataclass(frozen=True)
class CatalogSize:
    """train.bson, test.bson and the number of classes.

    `parts` are batches, by the names of their image sets, and several dumps of any of these, by outputs.dump_name.
    """

    train: FileSize
    test: FileSize
    classes: int
    parts: dict[str, FileSize] = field(default_factory=dict)

    def file(self, name: str) -> FileSize:
        """That of train, test, a batch or one of several dumps.

        Of a dump that is not known it is the whole, of such a batch it is test.
        """
        known = {"train": self.train, "test": self.test} | self.parts
        return known.get(name) or known.get(catalog_of(name), self.test)


PUBLISHED_CATALOG = CatalogSize(FileSize(12_371_293, 58_200_000_000), FileSize(3_095_080, 14_500_000_000), 5_270)


def catalog_size(config: dict) -> CatalogSize:
    """The size of a configuration's catalog, which need not be drawn yet."""
    folder = Path(config["catalog"])
    drawn = config.get("generate_catalog", {})
    parts = {ImageSet(batch=name).name: files_of_batch(path) for name, path in config.get("batches", {}).items()}
    whole, dumps = {}, {}
    for name, paths in {"train": files_of(folder, "train"), "test": files_of(folder, "test"), **parts}.items():
        pieces = max(PIECES // max(len(paths), 1), 2)  # of each
        files = {dump_name(name, path.stem): _file_size(path, pieces) for path in paths}
        whole[name] = _sum(files.values()) if files else _drawn_size(drawn.get(f"{name}_products", 0))
        dumps |= files
    train, test = whole.pop("train"), whole.pop("test")
    if exported := config.get("exported"):
        return CatalogSize(FileSize(exported["train_pictures"], 0), test, exported["classes"], whole | dumps)
    return CatalogSize(train, test, class_count(folder / "category_names.csv"), whole | dumps)


def _drawn_size(products: int) -> FileSize:
    """Two pictures of 5 kB per product."""
    return FileSize(2 * products, 10_000 * products)


def _sum(files: Iterable[FileSize]) -> FileSize:
    pictures, sizes = zip(*((each.pictures, each.bytes) for each in files), strict=True)
    return FileSize(sum(pictures), sum(sizes))


def _file_size(path: Path, pieces: int) -> FileSize:
    """A file's pictures and bytes; no more pieces of it are looked at."""
    size = path.stat().st_size
    return FileSize(_pictures(path, size, pieces), size)


def _pictures(path: Path, size: int, pieces: int) -> int:
    """Pictures of a file: counted where it is small, else in pieces that are spread over it, and scaled up.

    Catalogs are sorted by many things, so the beginning of a file does not tell how large its pictures are.
    """
    if size <= pieces * PIECE:
        return path.read_bytes().count(PICTURE_FIELD)
    found = 0
    with path.open("rb", buffering=0) as file:
        for number in range(pieces):
            file.seek(number * (size - PIECE) // (pieces - 1))
            found += file.read(PIECE).count(PICTURE_FIELD)
    return round(found * size / (pieces * PIECE))


def class_count(names: Path) -> int:
    """Categories by the lines of category_names.csv, which has a head; the published number without that file."""
    if not names.exists():
        return PUBLISHED_CATALOG.classes
    return max(len(names.read_bytes().splitlines()) - 1, 1)
