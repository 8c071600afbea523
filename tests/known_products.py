"""Indexes whose products share pictures, and all that is known by an index, with nothing left out."""

import numpy as np
import pandas as pd

from catalog.known import COLUMNS, Known


def draw_index(seed: int, products: int = 300, pictures: int = 250, first_id: int = 0) -> pd.DataFrame:
    """An index whose products share pictures; MD5s differ in one half only, often."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, products)
    product = np.repeat(np.arange(products), counts)
    digest = rng.integers(0, pictures, len(product))
    return pd.DataFrame(
        {
            "product_id": first_id + rng.permutation(products)[product],
            "category_id": rng.integers(1, 5, products)[product] * 10,
            "md5_hi": (digest % 20).astype(np.uint64) + np.uint64(2**63),
            "md5_lo": (digest // 20).astype(np.uint64),
        }
    )


def all_known(index: pd.DataFrame) -> Known:
    categories = index.groupby("category_id").product_id.agg(products="nunique", pictures="size")
    return Known(index[COLUMNS], index[COLUMNS], categories)


def index_of(pictures: list[tuple[int, int, int]]) -> pd.DataFrame:
    """An index of pictures: product, category, MD5."""
    products, categories, md5s = zip(*pictures, strict=True)
    half = np.array(md5s, np.uint64)
    image = [products[:row].count(product) for row, product in enumerate(products)]
    columns = {"product_id": products, "product_text": None, "category_id": categories, "image": image}
    return pd.DataFrame(columns | {"md5_hi": half, "md5_lo": half})
