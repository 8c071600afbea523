"""catalog.tables reads tables by the names of their columns and names every fault with its line."""

import codecs

import pytest

import cli
from catalog import tables

TEXT = 'name,number\n"Käse, alt",7\n,8\n'


def read(folder, content: bytes, **columns):
    path = folder / "table.csv"
    path.write_bytes(content)
    return tables.read_table(path, columns.get("required", ["number", "name"]), columns.get("optional"))


def error_of(folder, content: bytes, **columns) -> str:
    with pytest.raises(cli.UserError) as error:
        read(folder, content, **columns)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{folder / 'table.csv'}: ")
    return text.removeprefix(f"{folder / 'table.csv'}: ")


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        b"\r\n" + TEXT.encode() + b"\n,\n\n",
        'name;number\n"Käse, alt";7\n;8'.encode(),
        "name\tnumber\r\nKäse, alt\t7\r\n\t8\r\n".encode("utf-16"),
        '"number";" name "\n7;Käse, alt\n8\n'.encode(),
    ],
)
def test_encodings_separators_line_ends_and_the_order_of_columns_do_not_count(tmp_path, content):
    assert read(tmp_path, content).columns == {"number": ["7", "8"], "name": ["Käse, alt", ""]}


def test_texts_stay_as_they_are(tmp_path):
    texts = ["007", "NA", "1.50", "", "true", 'say ""x""', "two\nlines"]
    content = "number,name\n" + "".join(f'"{text}",x\n' for text in texts)
    assert read(tmp_path, content.encode()).columns["number"] == [text.replace('""', '"') for text in texts]


def test_a_row_knows_its_line(tmp_path):
    table = read(tmp_path, b'number,name\n1,"two\nlines"\n\n2,b\n')
    assert table.lines == [2, 5]


def test_columns_that_nobody_asked_for_are_named_and_optional_ones_are_read(tmp_path):
    table = read(tmp_path, b"number,price,name,,extra\n1,2,3,4,5\n", required=["name"], optional=["extra", "other"])
    assert table.columns == {"name": ["3"], "extra": ["5"]}
    assert table.others == ["number", "price"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty; its first line must name number, name"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"number,title\n1,a\n", "line 1: no column name; it must name number, name"),
        (b"\nnumber,name,name\n", "line 2: the column name is there twice"),
        (b"number,name\n1,a\n2,b,c\n", "line 3: 3 fields, but the first line names 2"),
        (b"number,name\n1,a,\n", "line 2: 3 fields, but the first line names 2"),
        (b'number,name\n1,a\n2,"b\n3,c\n', "line 3: a double quote is opened and not closed"),
        (b'number,name\n1,"' + b"a,b\n" * 50_000, "line 2: a double quote is opened and not closed"),
        (b'number,name\n1,"a" b\n', "line 2: a text goes on after its closing quote"),
        ("number,name\n1,a\n2,é\n".encode("latin-1"), "line 3: not UTF-8 (byte 0xe9); save it as UTF-8"),
        ("number;name\r1;a\r2;ü\r".encode("cp1252"), "line 3: not UTF-8 (byte 0xfc)"),
        ("number,name\n1,a\n".encode("utf-16")[:-1], "line 2: not UTF-16"),
        ("number,name\n1,a\n".encode("utf-16-le"), "line 1: a zero byte"),
        ("number,name\n1,a\n".encode("utf-32"), "line 1: a zero byte"),
        (b"PK\x03\x04\x14\0", "an Excel workbook or a zip archive, not a CSV; save it as CSV UTF-8, or unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook, not a CSV; save it as CSV UTF-8"),
        (b"\xff\xd8\xff\xe0", "a picture, not a CSV"),
        (b"\x1f\x8b\x08\0", "a gzip file, not a CSV; unpack it with gunzip"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path, content, expected):
    assert error_of(tmp_path, content).startswith(expected)
