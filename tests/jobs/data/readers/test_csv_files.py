"""CSV files as they come: split right, or refused with the line that is wrong and the key that would read it."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.data.readers import UnreadableFile, read_day
from tests.jobs.data.readers.dated import DAY, dated
from tidewheel.errors import SourceError
from tidewheel.spec.sections import CsvReader

MEBIBYTE = 1 << 20


def _read(folder: Path, content: bytes | str, name: str = "x.csv", **keys: object) -> pa.Table:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return _read_all(folder, name, **keys)


def _read_all(folder: Path, path: str, **keys: object) -> pa.Table:
    return read_day(CsvReader.model_validate({"kind": "csv", "path": dated(folder, path), **keys}), DAY, folder).table


def _refusal(folder: Path, content: bytes | str, name: str = "x.csv", **keys: object) -> str:
    with pytest.raises(UnreadableFile) as caught:
        _read(folder, content, name, **keys)
    assert str(caught.value).startswith(f"{folder / str(DAY) / name}: ")
    assert caught.value.file.content[:] == (folder / name).read_bytes()
    return str(caught.value).removeprefix(f"{folder / str(DAY) / name}: ")


@pytest.mark.parametrize("rows", [18_000, 60_000])
@pytest.mark.parametrize(
    "text", ["first line\nsecond {}, line", 'a "quoted" word,\r\n\r\n{}', "no {} line break", "\n"]
)
def test_line_breaks_inside_quoted_fields_are_read_whatever_the_size_of_the_file(
    tmp_path: Path, rows: int, text: str
) -> None:
    expected = [(f"A{n:06}", text.format(n)) for n in range(rows)]
    with (tmp_path / "x.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("key", "text"), *expected])
    table = _read_all(tmp_path, "x.csv")
    assert list(zip(*(column.to_pylist() for column in table.columns), strict=True)) == expected


def test_a_field_may_be_larger_than_any_block(tmp_path: Path) -> None:
    long = "x,\n" * (11 * MEBIBYTE)
    table = _read(tmp_path, f'key,text\n1,"{long}"\n2,b\n')
    assert table["text"].to_pylist() == [long, "b"]


def test_a_line_may_have_thousands_of_fields_and_be_larger_than_a_block(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(1000))
    table = _read(tmp_path, f"key,{names}\n1{',x' * 1000}\n2,{'y' * 5 * MEBIBYTE}{',z' * 999}\n")
    assert (table.num_rows, table.num_columns) == (2, 1001)
    assert len(table["c0"][1].as_py()) == 5 * MEBIBYTE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('k,t\n1,a\n2,"b\n3,c\n4,d\n', 'the row on lines 3 to 5: a quote (") opens a field, and none closes it'),
        ('k,t\n1,"a"b\n2,c\n', 'line 2: a quote (") closes a field before its end'),
        ('k,t\n1,"a\n2,"b,c\n', 'the row on lines 2 to 3: a quote (") closes a field before its end'),
        ('k,t\n1,"say \\"hi\\""\n', "set the reader's `escape`"),
        ('k,"t\n1,a\n', "opens a field, and none closes it"),
        ("k,t\n1,a\n2\n", "line 3: found 1 fields, expected 2, as in the header"),
        ("k,t\n1,a,b\n", "line 2: found 3 fields, expected 2, as in the header"),
        ('k,t\n\n1,"a\nb"\n\n2,b,c\n', "line 6: found 3 fields, expected 2, as in the header"),
        ("k,t\n" + "1,a\n" * 400_000 + "2,b,c\n", "line 400002: found 3 fields, expected 2, as in the header"),
    ],
)
def test_a_file_that_cannot_be_split_names_the_line(tmp_path: Path, content: str, words: str) -> None:
    assert words in _refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "keys", "rows"),
    [
        ('k,t\n1,5" pipe\n2,"6"" pipe"\n', {}, [(1, '5" pipe'), (2, '6" pipe')]),
        ('k,t\n1,"say \\"hi\\", you"\n', {"escape": "\\"}, [(1, 'say "hi", you')]),
        ('k,t\n1,"a\n2,b\n', {"quote": ""}, [(1, '"a'), (2, "b")]),
        ("k,t\n1,'a,b'\n2,''\n", {"quote": "'"}, [(1, "a,b"), (2, "")]),
        ("k,t\r\n1,a\r\n2,b\r\n", {}, [(1, "a"), (2, "b")]),
        ("k,t\r1,a\r2,b", {}, [(1, "a"), (2, "b")]),
        ("\ufeffk,t\n1,a\n", {}, [(1, "a")]),
        ("\ufeff\ufeffk,t\n1,a\n", {}, [(1, "a")]),
        ("\n\nk,t\n1,a\n\n", {}, [(1, "a")]),
        ("k , t\n1,a\n", {}, [(1, "a")]),
        ("k;t\n1;a,b\n", {"delimiter": ";"}, [(1, "a,b")]),
        ("k\tt\n1\ta b\n", {"delimiter": "\t"}, [(1, "a b")]),
        ("k\x01t\n1\x01a\n", {"delimiter": "\x01"}, [(1, "a")]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_dialect_is_read_as_it_is_declared(
    tmp_path: Path, content: str, keys: dict[str, object], rows: list[tuple[object, ...]]
) -> None:
    table = _read(tmp_path, content, **keys)
    assert table.column_names == ["k", "t"]
    assert list(zip(*(column.to_pylist() for column in table.columns), strict=True)) == rows


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-8-sig", "cp1251", "shift_jis"])
def test_an_encoding_is_read_as_it_is_declared(tmp_path: Path, encoding: str) -> None:
    name = {"cp1251": "Имя", "shift_jis": "名前"}.get(encoding, "Größe")
    table = _read(tmp_path, f"k,{name}\n1,{name}\n".encode(encoding), encoding=encoding)
    assert table.to_pydict() == {"k": [1], name: [name]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id;name\n1;a\n2;b\n", "has one column, 'id;name'; the file seems to be delimited by ';': set source.reader"),
        ("id;amount\n1;2,50\n2;3,25\n", 'has one column.*set source.reader.delimiter: ";"'),
        ("id;a,b;c\n1;2,50;x\n2;3;x\n", 'line 3: found 1 fields, expected 2.*set source.reader.delimiter: ";"'),
        ("id\tname\n", r'set source\.reader\.delimiter: "\\t"'),
        ("id|name\n1|a\n", r'set source\.reader\.delimiter: "\|"'),
        (
            "k,Größe\n1,2\n".encode("latin-1"),
            "line 1 is not utf-8; as cp1252 it reads 'k,Größe'.*set source.*: \"cp1252\"",
        ),
        ("k,t\n1,a\n2,Jürgen\n".encode("cp1252"), "line 3 is not utf-8; as cp1252 it reads '2,Jürgen'"),
        ("k,t\n1,a\n".encode("utf-16"), 'begins as utf-16 does: set source.reader.encoding: "utf-16"'),
        ("k,t\n1,a\n".encode("utf-16-le"), 'every second byte is zero: set source.reader.encoding: "utf-16-le"'),
        ("k,t\n1,Jü".encode()[:-1], "line 2 is not utf-8; the file ends within a character; land it again"),
        (b"k,t\n1,a\n2,\x00\x00\x00\n", "line 3 holds a zero byte"),
        (b"", r"empty \(0 bytes\); expected at least the line with the column names"),
        (b"\n \n", "has no name"),
        (b"<!DOCTYPE html><html><body>502, Bad Gateway</body></html>", "is an HTML or XML page"),
        (b"\n<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is an HTML or XML page"),
        (b'{"error": "not found", "code": 404}', "is JSON"),
        (b'[{"id": 1, "x": 2}]', "is JSON"),
        (b"PAR1\x15\x04", "is a Parquet file: set the reader's `kind: parquet`"),
        (gzip.compress(b"k,t\n1,a\n", mtime=0), "is compressed by gzip: end its name with .gz"),
        (bz2.compress(b"k,t\n1,a\n"), "is compressed by bzip2"),
        (lzma.compress(b"k,t\n1,a\n"), "is compressed by xz: unpack it"),
        (b"\x04\x22\x4d\x18\x60\x40\x82", "is compressed by LZ4"),
        (b"Obj\x01\x04", "is an Avro file: convert it"),
        (b"ARROW1\0\0", "is an Arrow file: convert it"),
        ("sep=;\nk;t\n1;a\n", "written for Excel, with the delimiter in its first line: remove that line"),
        ("k,t,k\n1,a,2\n", r"two or more columns have the same name: 'k' \(columns 1, 3\).*correct the first line"),
        ("k, k\n1,a\n", r"the same name: 'k' \(columns 1, 2\)"),
        (",t\n0,a\n", r"column 1 of 2 has no name.*index=False"),
        ("k,t,\n1,a,\n", "column 3 of 3 has no name"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_csv_file_as_declared_says_what_it_is_and_what_to_do(
    tmp_path: Path, content: bytes | str, words: str
) -> None:
    refusal = _refusal(tmp_path, content)
    assert re.search(words, refusal), refusal


def test_a_zip_archive_in_place_of_a_csv_file_is_told(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("x.csv", "k,t\n1,a\n")
    assert "is a zip archive (an Excel workbook is one, too)" in _refusal(tmp_path, archive.getvalue())


@pytest.mark.parametrize("keep", [10, 30, -9, -1])
def test_a_compressed_file_that_was_cut_off_is_not_read_as_far_as_it_goes(tmp_path: Path, keep: int) -> None:
    whole = gzip.compress(b"".join(b"%d,%d\n" % (n, n * n) for n in range(9999)))
    assert "not a complete gzip file" in _refusal(tmp_path, whole[:keep], "x.csv.gz")


def test_a_message_names_the_section_that_the_reader_stands_in(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id;late\n1;0\n")
    reader = CsvReader(kind="csv", path=dated(tmp_path, "x.csv"))
    with pytest.raises(UnreadableFile, match=r"set labels\.reader\.delimiter"):
        read_day(reader, DAY, tmp_path, section="labels")


def test_a_file_with_a_header_alone_is_a_day_without_rows(tmp_path: Path) -> None:
    table = _read(tmp_path, "k,t\n")
    assert (table.num_rows, table.column_names) == (0, ["k", "t"])
    with pytest.raises(SourceError, match="no such file"):
        _read_all(tmp_path, "y.csv")


@pytest.mark.parametrize("content", ["k,t", 'k,"t\nu"', "\ufeffk,t"])
def test_a_header_needs_no_line_end(tmp_path: Path, content: str) -> None:
    table = _read(tmp_path, content)
    assert (table.num_rows, table.num_columns) == (0, 2)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("k,t\n1,a\nk,t\n2,b\n", 3),
        ("k , t\n1,a\n\nk , t\n2,b\n", 4),
        ("\ufeffk,t\n1,a\n\ufeffk,t\n2,b\n", 3),
        ('k,t\n1,"a\nb"\n"k","t"\n', 4),
    ],
)
def test_files_that_were_put_together_with_their_headers_are_refused(tmp_path: Path, content: str, line: int) -> None:
    assert f"line {line} is the line with the column names again" in _refusal(tmp_path, content)


def test_a_row_may_repeat_a_part_of_the_header(tmp_path: Path) -> None:
    assert _read(tmp_path, "k,t\nk,a\nb,t\n").to_pydict() == {"k": ["k", "b"], "t": ["a", "t"]}
    assert _read(tmp_path, "k\nk\n").to_pydict() == {"k": ["k"]}


def test_files_of_a_day_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("k,t\n1,a\n")
    (tmp_path / "b.csv").write_text("t,k\nb,2\n")
    assert _read_all(tmp_path, "*.csv").to_pydict() == {"k": [1, 2], "t": ["a", "b"]}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("k,t,u", "extra: u"),
        ("k,u", "missing: t; extra: u"),
        ("k", "missing: t"),
        ("k,tt", "missing: t; extra: tt, did you mean 'tt'?"),
    ],
)
def test_files_of_a_day_with_other_columns_are_refused(tmp_path: Path, header: str, words: str) -> None:
    (tmp_path / "a.csv").write_text("k,t\n1,a\n")
    (tmp_path / "b.csv").write_text(f"{header}\n")
    with pytest.raises(UnreadableFile) as caught:
        _read_all(tmp_path, "*.csv")
    assert f"b.csv: other columns than a.csv of the same day ({words})" in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "kind", "values"),
    [
        ("1", "2.5", pa.float64(), [1, 2.5]),
        ("123", "A12", pa.string(), ["123", "A12"]),
        ("7", "007", pa.string(), ["7", "007"]),
        ("", "A12", pa.string(), [None, "A12"]),
        ("", "2024-03-01", pa.date32(), [None, DAY]),
        ("true", "yes", pa.string(), ["true", "yes"]),
        ("2024-03-01", "08:15", pa.string(), ["2024-03-01", "08:15"]),
    ],
)
def test_types_that_differ_between_the_files_of_a_day_change_no_value(
    tmp_path: Path, first: str, second: str, kind: pa.DataType, values: list[object]
) -> None:
    for order, (name, value) in enumerate((("a", first), ("b", second))):
        (tmp_path / f"{name}.csv").write_text(f"k,x\n{order},{value}\n")
    column = _read_all(tmp_path, "*.csv")["x"]
    assert (column.type, column.to_pylist()) == (kind, values)


def test_a_wrong_value_in_the_second_file_names_that_file_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("k,x\n1,1\n2,2\n")
    (tmp_path / "b.csv").write_text('k,x\n"3\n",3\n4,four\n')
    with pytest.raises(UnreadableFile, match=r"b\.csv: line 4, column 'x': 'four' \(string\); expected int64"):
        read_day(CsvReader(kind="csv", path=dated(tmp_path, "*.csv")), DAY, tmp_path, {"x": pa.int64()})


def test_several_files_of_a_day_are_one_table_in_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / str(DAY)).mkdir()
    for name, value in (("b", "2"), ("a", "1")):
        (tmp_path / str(DAY) / f"{name}.csv").write_text(f"x\n{value}\n")
    reader = CsvReader(kind="csv", path=f"{tmp_path.as_uri()}/{{partition}}/*.csv")
    found = read_day(reader, DAY, Path())
    assert found.table["x"].to_pylist() == [1, 2]
    assert len(found.files) == 2


def test_a_folder_may_have_brackets_in_its_name(tmp_path: Path) -> None:
    project = tmp_path / "shop [2024]?"
    (project / "data").mkdir(parents=True)
    (project / "data" / f"{DAY}-one.csv").write_text("id\n1\n")
    assert _read_all(project, "data/{partition}-*.csv")["id"].to_pylist() == [1]


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    content = b"n,s\n1,a\nNA,\n"
    named = (
        ("x.csv.gz", gzip.compress(content)),
        ("x.csv.bz2", bz2.compress(content)),
        ("X.CSV.GZ", gzip.compress(content)),
    )
    for name, packed in named:
        assert _read(tmp_path, packed, name).to_pydict() == {"n": [1, None], "s": ["a", None]}
    members = gzip.compress(b"n,s\n") + gzip.compress(b"1,a\n")
    assert _read(tmp_path, members, "y.csv.gz").to_pydict() == {"n": [1], "s": ["a"]}
