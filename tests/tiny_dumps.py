"""Small catalogs in several dumps and in one file, indexed and joined in the process of a test."""

import sys
from pathlib import Path
from unittest import mock

import index_catalog
import join_indexes
from tiny_catalogs import write

CUTS = [(0, 7), (7, 8), (8, 40)]  # products of each dump


def run(program, *words: object) -> None:
    """Run a program in this process."""
    with mock.patch.object(sys, "argv", [f"{program.__name__}.py", *map(str, words)]):
        program.main()


def index(dump: Path, on_bad_product: str = "stop") -> tuple[Path, Path]:
    """Index a dump beside itself; returns the index and its rejects."""
    outputs = dump.with_suffix(".parquet"), dump.with_suffix(".rejects.csv")
    words = ["--on-bad-product", on_bad_product, "--processes", 1, "--output", outputs[0], "--rejects", outputs[1]]
    run(index_catalog, dump, *words)
    return outputs


def join(dumps: list[Path], on_bad_product: str = "stop") -> tuple[Path, Path]:
    """Index dumps and join the indexes; returns the index of all and its rejects."""
    indexes, rejects = zip(*(index(dump, on_bad_product) for dump in dumps), strict=True)
    outputs = dumps[0].with_name("joined.parquet"), dumps[0].with_name("joined.rejects.csv")
    words = ["--catalog", *dumps, "--indexes", *indexes, "--dump-rejects", *rejects, "--on-bad-product", on_bad_product]
    run(join_indexes, *words, "--output", outputs[0], "--rejects", outputs[1])
    return outputs


def dump(folder: Path, *documents: list[dict | bytes]) -> tuple[list[Path], Path]:
    """Write documents as dumps, and as one file."""
    paths = [write(folder / f"{number}.bson", each) for number, each in enumerate(documents)]
    return paths, write(folder / "whole.bson", [document for each in documents for document in each])
