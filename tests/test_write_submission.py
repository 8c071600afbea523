"""write_submission.py beside the published rules, told again in published_rules.py."""

import gzip
import sys

import numpy as np
import pandas as pd
import pytest
import tiny_catalogs
from published_rules import Rules, pictures_of

import cli
import index_catalog
import list_images
import write_submission
from catalog.index import write_index

CATEGORY_IDS = [30, 10, 20]  # in the order of classes.csv


class Case:
    """A train and a test catalog with copies and conflicts, and an ensemble's probabilities."""

    def __init__(self, folder, seed: int):
        self.folder = folder
        self.known = tiny_catalogs.products(40, seed)
        self.asked = [
            tiny_catalogs.product(product["_id"] + 1, pictures_of(product), None)
            for product in tiny_catalogs.products(40, seed + 50)
        ]
        for product, twin in zip(self.asked[::3], self.known[::3], strict=True):
            product["imgs"] = twin["imgs"][::-1]
        self.rng = np.random.default_rng(seed)
        self.arguments = {"--product-md5": "on", "--picture-md5": "unique"}
        rows = [f"{number},{category},A,B,{category}\n" for number, category in enumerate(CATEGORY_IDS)]
        (folder / "classes.csv").write_text("class_id,category_id,level1,level2,level3\n" + "".join(rows))
        tiny_catalogs.indexed(tiny_catalogs.write(folder / "train.bson", self.known))

    def prepare(self, mode: str) -> dict[bytes, np.ndarray]:
        """Index and list the test pictures, draw probabilities; returns them by picture."""
        test = tiny_catalogs.write(self.folder / "test.bson", self.asked)
        index, rejects = index_catalog.index_catalog(test, "skip", processes=1)
        write_index(index, self.folder / "test.parquet")
        table = pd.DataFrame(rejects, columns=index_catalog.REJECT_COLUMNS)
        table.to_csv(self.folder / "rejects.csv", index=False)
        train = pd.read_parquet(self.folder / "train.parquet")
        images = index[list_images.needs_forward_pass(index, train, mode)].reset_index(drop=True)
        images.to_parquet(self.folder / "images.parquet")
        values = self.rng.dirichlet([0.3] * len(CATEGORY_IDS), len(images)).astype(np.float16)
        values[3::11] = np.nan
        for number, shard in enumerate(np.array_split(values, 3)):
            np.save(self.folder / f"{number}.npy", shard)
        numbers = (images.md5_hi.to_numpy().astype(object) << 64) + images.md5_lo.to_numpy().astype(object)
        self.arguments["--picture-md5"] = mode
        digests = [int(number).to_bytes(16, "big") for number in numbers]
        return dict(zip(digests, values.astype(float), strict=True))

    def submit(self, monkeypatch) -> pd.DataFrame:
        files = {"--index": "test.parquet", "--rejects": "rejects.csv", "--images": "images.parquet"}
        files |= {"--known": "train.parquet", "--classes": "classes.csv", "--output": "submission.csv.gz"}
        words = [word for option, name in files.items() for word in (option, self.folder / name)]
        words += [word for pair in self.arguments.items() for word in pair]
        words += ["--probabilities", *(self.folder / f"{number}.npy" for number in range(3))]
        monkeypatch.setattr(sys, "argv", ["write_submission.py", *map(str, words)])
        write_submission.main()
        return pd.read_csv(self.folder / "submission.csv.gz")

    def expected(self, probabilities: dict[bytes, np.ndarray], mode: str, override: bool) -> list[int]:
        rules, found = Rules(self.known, CATEGORY_IDS, mode), []
        for product in self.asked:
            category = rules.best_category(rules.picture_vectors(product, probabilities))
            found.append(rules.overridden(product, category) if override else category)
        return found


@pytest.fixture
def case(tmp_path) -> Case:
    return Case(tmp_path, seed=1)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("product_md5", ["on", "off"])
@pytest.mark.parametrize("mode", ["unique", "majority", "off"])
def test_labels_are_the_published_rules(tmp_path, monkeypatch, mode, product_md5, seed):
    case = Case(tmp_path, seed)
    probabilities = case.prepare(mode)
    case.arguments["--product-md5"] = product_md5
    submission = case.submit(monkeypatch)
    assert submission["_id"].tolist() == [product["_id"] for product in case.asked]
    assert submission.category_id.tolist() == case.expected(probabilities, mode, product_md5 == "on")


def test_the_cases_tell_modes_and_steps_apart(case):
    """Otherwise the test above would show nothing."""
    probabilities = case.prepare("off")
    outcomes = [
        case.expected(probabilities, mode, override)
        for mode in ("unique", "majority", "off")
        for override in (False, True)
    ]
    assert len(set(map(tuple, outcomes))) >= 5


def test_products_without_a_readable_picture_get_the_most_frequent_category_in_their_place(case, monkeypatch):
    case.asked.insert(7, {"_id": 100_000, "imgs": []})
    case.prepare("unique")
    submission = case.submit(monkeypatch)
    assert submission["_id"].tolist() == [product["_id"] for product in case.asked]
    assert submission.category_id[7] == Rules(case.known, CATEGORY_IDS, "unique").best_category([])


def test_equal_submissions_are_equal_files(case, monkeypatch):
    case.prepare("unique")
    case.submit(monkeypatch)
    first = (case.folder / "submission.csv.gz").read_bytes()
    case.submit(monkeypatch)
    assert (case.folder / "submission.csv.gz").read_bytes() == first
    assert gzip.decompress(first).startswith(b"_id,category_id\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ids: [*ids, 5_000_000], "sample.csv: product 5000000 is not in the catalog"),
        (lambda ids: ids[1:], "is not asked for"),
        (lambda ids: ids[::-1], None),
    ],
    ids=["one more", "one less", "another order"],
)
def test_a_sample_submissions_ids_are_compared(case, monkeypatch, change, message):
    case.prepare("unique")
    ids = change([product["_id"] for product in case.asked])
    pd.DataFrame({"_id": ids, "category_id": 10}).to_csv(case.folder / "sample.csv", index=False)
    case.arguments["--sample-submission"] = case.folder / "sample.csv"
    if message is None:
        assert len(case.submit(monkeypatch)) == len(ids)
        return
    with pytest.raises(cli.UserError, match=message):
        case.submit(monkeypatch)
    assert not (case.folder / "submission.csv.gz").exists()


def test_shards_that_do_not_fit_the_list_are_named(case, monkeypatch):
    case.prepare("unique")
    shard = np.load(case.folder / "1.npy")
    np.save(case.folder / "1.npy", shard[1:])
    with pytest.raises(cli.UserError, match=r"the shards hold \d+ rows, the list of pictures \d+; predict them again"):
        case.submit(monkeypatch)
    (case.folder / "1.npy").write_bytes(b"garbage" * 30)
    with pytest.raises(cli.UserError, match=r"1.npy: not an array of probabilities"):
        case.submit(monkeypatch)
    assert not [path for path in case.folder.iterdir() if "submission" in path.name]


def test_a_known_product_in_the_test_catalog_is_a_fault(case, monkeypatch):
    case.asked[0] = case.asked[0] | {"_id": case.known[0]["_id"]}
    case.prepare("unique")
    with pytest.raises(ValueError, match="1 products of the image set are among the known ones"):
        case.submit(monkeypatch)
