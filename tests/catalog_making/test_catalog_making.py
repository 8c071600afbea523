"""The rooms of make_catalog.py: layouts by numbers, ids by names, pictures made square."""

import os
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

import cli
from catalog_making.lists import products_of_table
from catalog_making.pictures import catalog_picture, centre_square
from catalog_making.products import Product, check_ids, product_id
from catalog_making.trees import Layout, layout_like, products_of_tree, recognized_layout

SUFFIXES = (".jpg", ".png", ".gif", ".tiff", ".bmp", ".webp", ".avif")
FOLDERS, PICTURES = Layout.FOLDERS, Layout.PICTURES


def encoded(suffix: str, height: int = 30, width: int = 40, channels: int = 3) -> bytes:
    rng = np.random.default_rng(height)
    picture = cv2.resize(rng.integers(0, 256, (3, 4, channels), np.uint8), (width, height))
    return cv2.imencode(suffix, picture)[1].tobytes()


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(picture: np.ndarray, *chunks: bytes) -> bytes:
    """A PNG with chunks of its own after the header."""
    content = cv2.imencode(".png", picture)[1].tobytes()
    return content[:33] + b"".join(chunks) + content[33:]


def exif(orientation: int) -> bytes:
    return chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0))


def tree(*folders: tuple[str, int]) -> list[Path]:
    return [Path("root", folder, f"{number}.jpg") for folder, count in folders for number in range(count)]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ([(f"Shoes/{number}", 1 + number % 4) for number in range(20)], FOLDERS),
        ([(f"Shoes/Boots/{number}", 2) for number in range(3)] + [("Hats/Caps/x", 1)], FOLDERS),
        ([(f"{level}/x/y/{number}", 5) for level in "ab" for number in range(2)], FOLDERS),
        ([(f"Fruits/{name}", 60) for name in ("Banana", "Apple", "Pear")], PICTURES),
        ([(f"{level}/{number}", 10) for level in ("Fruits", "Milk") for number in range(40)], PICTURES),
        ([("Fruits/Banana", 3), ("Fruits/Apple", 4), ("Milk/Whole", 3)], PICTURES),
        ([("Banana", 1), ("Apple", 1), ("Pear", 2)], PICTURES),
        ([("Fruits/Apple/Gala", 30), ("Fruits/Banana", 30), ("Milk/Whole", 20)], PICTURES),
    ],
)
def test_a_layout_follows_from_how_many_pictures_and_folders_lie_side_by_side(folders, expected):
    assert recognized_layout(Path("root"), tree(*folders), with_category=True) is expected


@pytest.mark.parametrize(
    ("folders", "expected"),
    [([("", 60)], PICTURES), ([("a", 2), ("b", 1), ("c", 3)], FOLDERS), ([("a", 40)], PICTURES)],
)
def test_a_test_tree_needs_no_folders_of_categories(folders, expected):
    assert recognized_layout(Path("root"), tree(*folders), with_category=False) is expected


def products(*counts: int) -> list[Product]:
    return [Product("", Path(), (), (Path(),) * count) for count in counts]


@pytest.mark.parametrize(
    ("layout", "train", "folders", "expected"),
    [
        (PICTURES, products(1, 1), [("p", 2), ("q", 2)], PICTURES),
        (FOLDERS, products(1, 2), [("p", 3), ("q", 2)], FOLDERS),
        (FOLDERS, products(1, 2), [("p", 3)], FOLDERS),
        (FOLDERS, products(1, 2), [("", 60)], PICTURES),
        (FOLDERS, products(1, 2), [("batch", 60)], PICTURES),
        (FOLDERS, products(60, 70), [("p", 60), ("q", 40)], FOLDERS),
    ],
)
def test_a_test_tree_is_read_like_the_train_tree_unless_its_folders_hold_far_more(layout, train, folders, expected):
    assert layout_like(layout, train, Path("root"), tree(*folders)) is expected


@pytest.mark.parametrize(
    ("folders", "layout", "message"),
    [
        ([("Shoes", 3)], FOLDERS, "root/Shoes: 0 category folders above this product"),
        ([("1/2/3/4/5", 1)], FOLDERS, "root/1/2/3/4/5: 4 category folders above"),
        ([("1/2/3/4", 1)], PICTURES, "root/1/2/3/4/0.jpg: 4 category folders above"),
        (
            [("", 2), ("Shoes/a", 1)],
            FOLDERS,
            r"root/0.jpg: no folder .* category \(2 such .* as root/Shoes/0.jpg",
        ),
        ([("", 1), ("Shoes", 1)], PICTURES, "root/0.jpg: no folder above it names its category"),
        (
            [("A/B", 1), ("A/B/c", 1)],
            FOLDERS,
            r"root/A/B: holds pictures \(0.jpg ...\) and a folder .* \(c/0.jpg ...\)",
        ),
    ],
)
def test_a_tree_of_another_depth_is_named(folders, layout, message):
    with pytest.raises(cli.UserError, match=message):
        products_of_tree(Path("root"), tree(*folders), layout, with_category=True)


def test_levels_that_are_not_given_repeat_the_last():
    paths = tree(("Fruits/Apple/Gala/a", 2), ("Fruits/Pear/b", 1), ("Milk/c", 1))
    products = products_of_tree(Path("root"), paths, FOLDERS, with_category=True)
    assert [(product.name, product.category, len(product.pictures)) for product in products] == [
        ("Fruits/Apple/Gala/a", ("Fruits", "Apple", "Gala"), 2),
        ("Fruits/Pear/b", ("Fruits", "Pear", "Pear"), 1),
        ("Milk/c", ("Milk", "Milk", "Milk"), 1),
    ]


def test_a_number_of_up_to_14_digits_is_its_own_id_and_no_other_name_gets_one_like_it():
    for number in ("0", "7", "4006381333931", "99999999999999"):
        assert product_id(number) == int(number)
    names = ["007", "-7", "7.0", "12345678901234567890", "123456789012345", "\u0667", "a/7", "a", "Caf\u00e9", ""]
    found = {product_id(name) for name in names}
    assert len(found) == len(names)
    assert all(10**14 <= number < 10**15 for number in found)
    assert product_id("Cafe\u0301") == product_id("Caf\u00e9")


def test_an_id_stays_the_same_from_version_to_version():
    assert product_id("DSC_0060.jpg") == 715518548955492


def test_an_id_is_one_products_in_each_part_and_the_same_products_in_both():
    def product(name, place):
        return Product(name, Path(place), (), ())

    check_ids([product("17", "train/17")], [product("17", "test/17.jpg")])
    for train in ([], [product("a", "a")]):
        with pytest.raises(cli.UserError, match="two: would have the id 17, as one has"):
            check_ids(train, [product("17", "one"), product("17", "two")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,product\na.jpg,1\n", "line 1: no column category_level1; it must name path, product, category_level1"),
        ("path,product,category_level1\na.jpg,1,X\na.jpg,1,Y\n", "line 3: product 1 has another category"),
        ("path,product,category_level1,group\na.jpg,1,X,s\n\na.jpg,1,X,t\n", "line 4: product 1 has another group"),
        ("path,product,category_level1,group\na.jpg,1,X,s\na.jpg,2,X,\n", "line 3: group is empty"),
        ("path,product,category_level1\na.jpg,1,X\na.jpg, ,X\n", "line 3: product is empty"),
        ("path,product,category_level1\na.jpg,1\n", "line 2: category_level1 is empty"),
        ("path,product,category_level1,category_level2,category_level3\na.jpg,1,X,,Y\n", "line 2: a level is empty"),
        ('path,product,category_level1\n"a\n.jpg",1,X\n', "line 2: path holds a line break"),
    ],
)
def test_a_wrong_table_is_named_with_the_line(tmp_path, text, message):
    path = tmp_path / "pictures.csv"
    path.write_text(text)
    with pytest.raises(cli.UserError, match=f"pictures.csv: {message}"):
        products_of_table(path, with_category=True)


def test_levels_may_be_empty_at_the_end_and_paths_may_be_those_of_windows(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"")
    (tmp_path / "list.csv").write_text(
        "category_level2,category_level1,product,path\n,X,NA,photos\\a.jpg\nY,X,NA 2,photos/a.jpg\n Y,X ,NA 2 ,b.jpg\n"
    )
    products, _ = products_of_table(tmp_path / "list.csv", with_category=True)
    picture = tmp_path / "photos/a.jpg"
    assert [(product.name, product.category, product.pictures) for product in products] == [
        ("NA", ("X", "X", "X"), (picture,)),
        ("NA 2", ("X", "Y", "Y"), (picture, tmp_path / "b.jpg")),
    ]


def test_a_180x180_jpeg_goes_in_untouched_and_any_other_becomes_one(tmp_path):
    untouched = tmp_path / "a.jpg"
    untouched.write_bytes(encoded(".jpg", 180, 180))
    assert catalog_picture(untouched) == untouched.read_bytes()
    for suffix in SUFFIXES:
        for height, width in ((181, 180), (60, 400), (1, 1), (180, 180)):
            path = tmp_path / f"b{suffix}"
            path.write_bytes(encoded(suffix, height, width))
            content = catalog_picture(path)
            assert content.startswith(b"\xff\xd8\xff")
            assert decoded(content).shape == (180, 180, 3)


def test_a_wide_picture_keeps_its_centre():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    assert (centre_square(picture, 100) == 255).all()
    assert (centre_square(np.ascontiguousarray(picture.transpose(1, 0, 2)), 50) == 255).all()


def test_a_strip_of_one_pixel_takes_no_time(tmp_path):
    path = tmp_path / "strip.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((1, 65_000, 3), np.uint8))[1].tobytes())
    start = time.monotonic()
    assert decoded(catalog_picture(path)).shape == (180, 180, 3)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_transparent_pixels_become_white_in_every_depth(tmp_path, channels, depth):
    most = np.iinfo(depth).max
    picture = np.zeros((200, 200, 4), depth)
    picture[..., :channels] = most // 2
    picture[:, 100:, 3] = most
    path = tmp_path / "a.png"
    path.write_bytes(png(picture))
    found = decoded(catalog_picture(path)).astype(int)
    assert (found[:, :80] > 250).all()
    assert abs(found[:, 100:].mean(axis=(0, 1)) - [127 * (place < channels) for place in range(3)]).max() < 4


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png", ".tiff", ".avif"])
def test_transparent_pixels_become_white_in_every_format(tmp_path, suffix):
    picture = np.zeros((200, 200, 4), np.uint8)
    picture[:, 100:] = (0, 0, 200, 255)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
    found = decoded(catalog_picture(path)).astype(int)
    assert (found[:, :80] > 240).all()
    assert abs(found[:, 100:].mean(axis=(0, 1)) - [0, 0, 200]).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_transparency_is_turned_with_the_picture(tmp_path, orientation):
    picture = np.full((200, 200, 4), 255, np.uint8)
    picture[:100, :100] = (10, 20, 30, 0)
    picture[100:, :100] = (200, 0, 0, 255)
    path = tmp_path / "a.png"
    path.write_bytes(png(picture, exif(orientation)))
    found = decoded(catalog_picture(path)).astype(int)
    corners = [
        found[rows, columns].mean(axis=(0, 1))
        for rows in (slice(0, 80), slice(100, None))
        for columns in (slice(0, 80), slice(100, None))
    ]
    blue = [abs(corner - [200, 0, 0]).max() < 8 for corner in corners]
    assert sum(blue) == 1
    assert all(corner.min() > 245 for corner, is_blue in zip(corners, blue, strict=True) if not is_blue)


def test_a_file_of_far_too_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    os.truncate(path, 1 << 40)
    with pytest.raises(cli.UserError, match=r"a\.jpg: 1,099,511,627,776 bytes, 268,435,456 are possible"):
        catalog_picture(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the picture is empty"),
        (b"<html>404</html>", "the picture has no format that is taken"),
        (encoded(".jpg")[:-200], "the JPEG is cut off"),
        (encoded(".jpg")[:40], "the JPEG is cut off"),
        (encoded(".png")[:60], "the PNG does not decode"),
        (encoded(".png").replace(b"IDAT", b"IDAD"), "the PNG does not decode"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not taken; convert it to JPEG"),
        (
            png(np.zeros((1, 1), np.uint8))[:12]
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))[4:]
            + chunk(b"IDAT", b""),
            "more than 64,000,000 pixels",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_the_reason(tmp_path, content, message):
    path = tmp_path / "a\nb.jpg"
    path.write_bytes(content)
    with pytest.raises(cli.UserError, match=message) as error:
        catalog_picture(path)
    assert str(error.value).startswith(f"{tmp_path}/a\\nb.jpg: ")
