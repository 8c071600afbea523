"""The names of products, as people gave them, in a field of their documents."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import cli
from catalog.elements import NotBsonError
from catalog.files import Files
from catalog.ids import first_written, number_of
from catalog.layout import LENGTH
from catalog.rejects import Reject


def product_names(catalog: Sequence[Path], field: str, index: pd.DataFrame, rejects: list[Reject]) -> pd.Series:
    """The name (text) of each product by its number; empty where a document has none.

    Each document is read once, whole.

    Args:
        catalog: its dumps in order.
        index: product_id, product_text and doc_offset of its pictures.
        rejects: what the index lacks; of a damaged document the name is empty.

    Raises:
        cli.UserError: no document is where the index says.
    """
    from catalog.documents import read_text  # noqa: PLC0415 - most answers have no names

    names = {}
    with Files(catalog) as files:
        for offset, product, *_ in rejects:
            if product is not None:
                try:
                    names[number_of(product)] = read_text(_document(files, offset), field)
                except NotBsonError:
                    names[number_of(product)] = ""
        documents = index.drop_duplicates("product_id")
        with cli.progress(len(documents), "product", "reading names") as bar:
            for row, (number, offset) in enumerate(
                zip(documents.product_id.tolist(), documents.doc_offset.tolist(), strict=True)
            ):
                try:
                    names[number] = read_text(_document(files, offset), field)
                except NotBsonError:
                    path, place = files.place(offset)
                    product = first_written(documents[row:], "product")
                    raise cli.UserError(
                        f"{path}: byte {place}: product {product}: no document is there; the catalog has changed, index"
                        " it again"
                    ) from None
                bar.update(1)
    return pd.Series(names, dtype=object)


def _document(files: Files, offset: int) -> bytes:
    start = files.read(offset, LENGTH.size)
    if len(start) < LENGTH.size:
        raise NotBsonError("the file ends before it")
    return files.read(offset, LENGTH.unpack(start)[0])
