"""Pictures of products in the pages of a report."""

from pathlib import Path

import pandas as pd

from catalog.ids import written
from catalog.pictures import iter_pictures
from figures.pages import picture
from loading.formats import PLAIN_JPEG
from loading.pixels import decoded, encoded

COLUMNS = ["product_id", "product_text", "category_id", "image_offset", "image_size", "kind"]  # of the index
EXAMPLES = 3  # products per category


def first_pictures(index: pd.DataFrame, product_ids: set[int]) -> pd.DataFrame:
    """The first picture of some products; rows of the index."""
    return index[index.product_id.isin(product_ids)].drop_duplicates("product_id")


def example_rows(index: pd.DataFrame, category_ids: set[int]) -> pd.DataFrame:
    """The first picture of EXAMPLES products of each of some categories; rows of the index."""
    chosen = index[index.category_id.isin(category_ids)].drop_duplicates("product_id")
    return chosen.groupby("category_id").head(EXAMPLES)


def captioned_pictures(catalog: list[Path], rows: pd.DataFrame) -> dict[int, str]:
    """Markup of the pictures of rows of the index, by product id; as JPEGs, which all browsers show."""
    pictures = zip(rows.product_id, written(rows, "product"), rows.kind, iter_pictures(catalog, rows), strict=True)
    return {
        product_id: picture(content if kind == PLAIN_JPEG else encoded(decoded(content)), str(product))
        for product_id, product, kind, content in pictures
    }
