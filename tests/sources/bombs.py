"""Small files that claim to be, or would become, gigabytes."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tests.sources.landed import EVENT, EVENTS, RECEIPT, RECEIPTS, csv_text
from tests.sources.ordeal import Case

_UNIT = 10 << 20
_HEADER = csv_text({}).splitlines()[0].encode() + b"\n"


def gzip_bomb(start: bytes, piece: bytes, gigabytes: int) -> bytes:
    """A gzip of `start` and gigabytes of `piece` in one stream; its checksum, at the end, is wrong.

    What is flushed whole doesn't depend on what came before: it is packed once and repeated.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    unit = piece * (_UNIT // len(piece))
    again = packer.compress(unit) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    end = packer.compress(b"\n") + packer.flush()
    header = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
    times = -(-(gigabytes << 30) // len(unit))
    return header + head + again * times + end + struct.pack("<LL", 0, 0)


def members_bomb(start: bytes, piece: bytes, gigabytes: int) -> bytes:
    """The same as many gzip streams one after the other, each of them whole and right."""
    unit = gzip.compress(piece * (_UNIT // len(piece)), 9)
    return gzip.compress(start) + unit * -(-(gigabytes << 30) // _UNIT)


def text_bombs(gigabytes: int = 10) -> Iterator[Case]:
    """Texts that gzip packs a thousand times smaller."""
    event = EVENT.encode() + b"\n"
    for kind, piece in {
        "zeros": b"\0",
        "line ends": b"\n",
        "blank lines": b" \n",
        "one endless line": b"a",
        "spaces": b" ",
        "brackets": b"[",
        "empty objects": b"{}\n",
        "quotes": b'"',
        "commas": b",",
    }.items():
        yield Case(kind, EVENTS, "a.ndjson.gz", gzip_bomb(event, piece, gigabytes))
        yield Case(kind, RECEIPTS, "a.csv.gz", gzip_bomb(_HEADER, piece, gigabytes))
    yield Case("members", EVENTS, "a.jsonl.gz", members_bomb(event, b"\n", gigabytes))
    yield Case(
        "header of gigabytes", RECEIPTS, "a.csv.gz", gzip_bomb(b"receipt_id", b",", gigabytes)
    )
    packed = gzip.compress(gzip_bomb(event, b"\n", gigabytes))
    yield Case("gzip in gzip", EVENTS, "a.ndjson.gz", packed)
    yield Case(
        "value of gigabytes", EVENTS, "a.ndjson.gz", gzip_bomb(b'{"event":"', b"x", gigabytes)
    )


def zip_bombs() -> Iterator[Case]:
    """Zip files under every name that a file may have."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"../../{number}.csv", b"\0" * _UNIT)
    for name in ("a.zip", "a.csv", "a.csv.gz", "a.ndjson", "a.jsonl.gz", "a.parquet"):
        yield Case("zip", RECEIPTS, name, sink.getvalue())


def parquet_file(columns: dict[str, pa.Array], **options: object) -> bytes:
    """Parquet of the columns."""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd", compression_level=1, **options)
    return sink.getvalue()


def _varint(number: int, width: int = 0) -> bytes:
    """A number as Thrift writes it, in `width` bytes at least."""
    number *= 2
    octets = bytearray()
    while number > 127 or len(octets) < width - 1:
        octets.append(number & 127 | 128)
        number >>= 7
    return bytes([*octets, number])


def with_a_lie(content: bytes) -> bytes:
    """The same Parquet, its footer saying of everything large that it is a kilobyte."""
    footer = pq.read_metadata(io.BytesIO(content))
    group = footer.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    start = len(content) - 8 - footer.serialized_size
    told = content[start:]
    sizes = {group.total_byte_size, *(c.total_uncompressed_size for c in columns)}
    for size in sizes | {c.num_values for c in columns}:
        if size > 1 << 20:
            assert _varint(size) in told
            told = told.replace(_varint(size), _varint(1_000, len(_varint(size))))
    return content[:start] + told


def repeated(texts: dict[str, str], rows: int) -> dict[str, pa.Array]:
    """Columns of one value each, kept once however many rows there are."""
    zeros = pa.Array.from_buffers(pa.int8(), rows, [None, pa.py_buffer(bytes(rows))])
    return {
        name: pa.DictionaryArray.from_arrays(zeros, pa.array([text]))
        for name, text in texts.items()
    }


def parquet_bombs(scale: int = 10) -> Iterator[Case]:
    """Parquet of few bytes and many, or huge, values; `scale` is about their gigabytes."""

    def case(kind: str, columns: dict[str, pa.Array], **options: object) -> Case:
        return Case(kind, RECEIPTS, "a.parquet", parquet_file(columns, **options))

    plain = {name: pa.array([value]) for name, value in RECEIPT.items()}
    many = 1_200_000 * scale
    yield case("many rows", repeated(RECEIPT, many))
    yield case("many bad rows", repeated(RECEIPT | {"quantity": "-1"}, many))
    yield case("as many rows as may be", repeated(RECEIPT, 250_000))
    for column in ("product_name", "unknown"):
        for size, rows in ((1 << 20, 1_000), (1 << 16, 20_000), (1_900, 100_000)):
            texts = RECEIPT | {column: "x" * size}
            yield case(f"texts of {size} in {column}", repeated(texts, rows * scale))
        long = pa.array(["x" * (60 << 20)])
        yield case(f"one long text in {column}", plain | {column: long}, use_dictionary=False)
    wide = 30_000_000 * scale
    numbers = pa.Array.from_buffers(pa.int8(), wide, [None, pa.py_buffer(bytes(wide))])
    offsets = pa.array([0, wide], pa.int32())
    listed = plain | {"unknown": pa.ListArray.from_arrays(offsets, numbers)}
    yield case("list of numbers", listed)
    lie = with_a_lie(parquet_file(listed))
    yield Case("list that the footer lies about", RECEIPTS, "a.parquet", lie)
    texts = repeated({"text": "x" * (1 << 20)}, 1_000 * scale)["text"]
    offsets = pa.array([0, len(texts)], pa.int32())
    yield case("list of texts", plain | {"unknown": pa.ListArray.from_arrays(offsets, texts)})
    struct = pa.StructArray.from_arrays([texts], ["text"])
    rows = repeated(RECEIPT, len(texts))
    yield case("structs of texts", rows | {"unknown": struct})
    zeros = pa.array(["\0" * (100 << 20)] * scale)
    rows = repeated(RECEIPT, scale)
    yield case("plain texts of zeros", rows | {"product_name": zeros}, use_dictionary=False)
    honest = parquet_file(rows | {"product_name": zeros}, use_dictionary=False)
    yield Case("footer that lies", RECEIPTS, "a.parquet", with_a_lie(honest))
