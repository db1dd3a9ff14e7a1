"""Files of nonsense under every name that a file may have: noise, and valid files gone wrong."""

import gzip
import io
import random
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tests.sources.landed import EVENTS, RECEIPT, RECEIPTS, csv_text, event
from tests.sources.ordeal import Case

ENDINGS = (".ndjson", ".jsonl", ".csv", ".ndjson.gz", ".jsonl.gz", ".csv.gz", ".parquet")
Mutation = Callable[[random.Random, bytes, str], bytes]


def valid(chance: random.Random, ending: str) -> bytes:
    """A file that loads; of a packed one, its text."""
    rows = chance.randint(1, 300)
    if ending.startswith((".ndjson", ".jsonl")):
        lines = [event(messageId=f'"é{n}"', properties=f'{{"n":{n}}}') for n in range(rows)]
        return ("\n".join(lines) + "\n").encode()
    texts = [{"line_no": str(n), "product_name": f"Brânză {n}"} for n in range(rows)]
    if ending.startswith(".csv"):
        return csv_text(*texts).encode()
    columns = {name: pa.array([(RECEIPT | text).get(name) for text in texts]) for name in RECEIPT}
    extra = {"tags": pa.array([[n, n] for n in range(rows)]), "n": pa.array(range(rows))}
    sink = io.BytesIO()
    codec = chance.choice(["none", "snappy", "gzip", "zstd", "brotli"])
    pq.write_table(pa.table(columns | extra), sink, compression=codec, row_group_size=100)
    return sink.getvalue()


def noise(chance: random.Random, content: bytes, ending: str) -> bytes:
    return chance.randbytes(chance.choice([0, 1, 7, 100, 5_000, 200_000]))


def noise_in_a_frame(chance: random.Random, content: bytes, ending: str) -> bytes:
    inside = chance.randbytes(chance.choice([0, 8, 100, 5_000]))
    if ending == ".parquet":
        length = chance.choice([0, 4, len(inside), 1 << 20, (1 << 32) - 1])
        return b"PAR1" + inside + length.to_bytes(4, "little") + b"PAR1"
    return content.split(b"\n", 1)[0] + b"\n" + inside + b"\n"


def bits_flipped(chance: random.Random, content: bytes, ending: str) -> bytes:
    octets = bytearray(content)
    for _ in range(chance.choice([1, 3, 30])):
        octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    return bytes(octets)


def end_altered(chance: random.Random, content: bytes, ending: str) -> bytes:
    """Of Parquet it is the footer that is altered."""
    octets = bytearray(content)
    reach = min(len(octets), 1_500)
    for _ in range(chance.choice([1, 2, 5, 40])):
        octets[-chance.randint(min(9, reach), reach)] = chance.randrange(256)
    return bytes(octets)


def blocks_swapped(chance: random.Random, content: bytes, ending: str) -> bytes:
    size = max(len(content) // 8, 1)
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    chance.shuffle(blocks)
    return b"".join(blocks)


def spliced(chance: random.Random, content: bytes, ending: str) -> bytes:
    other = valid(chance, chance.choice(ENDINGS))
    return content[: chance.randrange(len(content))] + other[chance.randrange(len(other)) :]


def piece_repeated(chance: random.Random, content: bytes, ending: str) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + content[at : at + 400] * chance.choice([2, 50, 500]) + content[at:]


def inserted(*pieces: bytes) -> Mutation:
    """Something put into the middle of a valid file, a few times."""

    def mutate(chance: random.Random, content: bytes, ending: str) -> bytes:
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(content))
            content = content[:at] + chance.choice(pieces) + content[at:]
        return content

    return mutate


def rows_of(*rows: bytes) -> Mutation:
    """A valid file that goes on with rows of one kind."""

    def mutate(chance: random.Random, content: bytes, ending: str) -> bytes:
        row = chance.choice(rows)
        most = max(1, 300_000 // len(row))
        return content + row * chance.choice([1, min(most, 100), most])

    return mutate


def keys_of_every_row_new(chance: random.Random, content: bytes, ending: str) -> bytes:
    keys = (b'"k%d":%d' % (n, n) for n in range(chance.choice([1_000, 10_000])))
    return content + b"\n".join(b"{" + key + b"}" for key in keys) + b"\n"


_DEEP = 40_000
MUTATIONS: dict[str, Mutation] = {
    "noise": noise,
    "noise in a frame": noise_in_a_frame,
    "bits flipped": bits_flipped,
    "end altered": end_altered,
    "blocks swapped": blocks_swapped,
    "spliced": spliced,
    "piece repeated": piece_repeated,
    "NUL bytes": inserted(b"\0", b"\0" * 5_000, b"\\u0000"),
    "no UTF-8": inserted(b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80" * 99),
    "huge line": inserted(b"x" * 300_000, b" " * 3_000_000, b"\\" * 300_000, b"," * 300_000),
    "odd line ends": inserted(b"\r", b"\r\n\r\n", b"\n" * 5_000, b"\x0b\x0c", "\u2028".encode()),
    "deep objects": rows_of(b'{"properties":' + b'{"a":' * _DEEP + b"1" + b"}" * _DEEP + b"}\n"),
    "deep unknown": rows_of(b'{"deep":' + b'{"a":' * _DEEP + b"1" + b"}" * _DEEP + b"}\n"),
    "deep arrays": rows_of(b'{"traits":' + b"[" * _DEEP + b"]" * _DEEP + b"}\n"),
    "brackets": rows_of(b"[\n", b"{\n", b"[" * 200_000 + b"\n", b'{"a":' * 40_000 + b"\n"),
    "quotes": rows_of(b'"\n', b'"a","b\n', b'""\n', b'"' * 1_000 + b"\n", b'\n"x"y,\n'),
    "wide rows": rows_of(b"," * 5_000 + b"\n", b'{"a":1' + b',"b":1' * 9_000 + b"}\n"),
    "numbers": rows_of(b'{"timestamp":1e999999}\n', b"9" * 9_000 + b"\n", b"-0e-0,\n"),
    "new keys": keys_of_every_row_new,
}


def fuzzed(files: int, seed: int = 1) -> Iterator[Case]:
    """As many files, every mutation under every ending in turn."""
    pairs = [(kind, ending) for kind in MUTATIONS for ending in ENDINGS]
    random.Random(seed).shuffle(pairs)
    for number in range(files):
        chance = random.Random(f"{seed}-{number}")
        kind, ending = pairs[number % len(pairs)]
        content = valid(chance, ending)
        packed = ending.endswith(".gz")
        # Of a packed file, now the text goes wrong and now the packing.
        inside = packed and chance.random() < 0.5
        if packed and not inside:
            content = gzip.compress(content)
        content = MUTATIONS[kind](chance, content, ending)
        content = gzip.compress(content) if inside else content
        table = EVENTS if "json" in ending else RECEIPTS
        yield Case(kind, table, f"{number}{ending}", content)
