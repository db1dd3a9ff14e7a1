"""A text of another encoding as UTF-8, a block at a time; what doesn't decode stays recognisable.

Everything behind this module reads UTF-8. A byte that its encoding doesn't know becomes a lone
surrogate, which no valid UTF-8 holds, so that the row is refused and its byte can be shown.
"""

import codecs
import io
import re
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1 << 20
UTF_8, UTF_16, UTF_32 = "utf-8", "utf-16", "utf-32"
UTF_8_MARK = b"\xef\xbb\xbf"
# In this order, as the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (b"\xff\xfe\x00\x00", UTF_32),
    (b"\x00\x00\xfe\xff", UTF_32),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (UTF_8_MARK, UTF_8),
)
# In all of these a byte 10 is a line end and nothing else, but for UTF-16. Python knows more:
# codecs that switch alphabets, that hide line ends, that aren't of texts.
ENCODINGS = (
    *(UTF_8, UTF_16, "utf-16-le", "utf-16-be", "ascii"),
    *(f"cp{number}" for number in range(1250, 1259)),  # Windows
    *(f"iso8859-{number}" for number in range(1, 17) if number != 12),
    *("cp437", "cp850", "cp852", "cp855", "cp857", "cp858", "cp866", "cp874"),  # DOS
    *("mac-roman", "mac-latin2", "mac-greek", "mac-turkish", "mac-cyrillic", "koi8-r", "koi8-u"),
    *("gb18030", "gbk", "big5", "shift_jis", "cp932", "euc_jp", "cp949", "euc_kr"),
)
_LONE_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_FIRST_ESCAPED, _LAST_ESCAPED = 0xDC80, 0xDCFF
# Control characters that no text has. In a file declared as ISO 8859 they are the quotes, dashes
# and euro signs of a Windows one.
_CONTROLS = re.compile("[\x80-\x9f]")


def known_encoding(name: str) -> str | None:
    """The one name of an encoding that has many; None where a text can't be read in it."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if found in ENCODINGS else None


def encoding_of(head: bytes, declared: str) -> str | None:
    """The encoding of a text that begins with `head`: what its mark says, else what is declared.

    None where UTF-16 is declared and no mark says which of the two it is.
    """
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
    return marked or (None if declared == UTF_16 else declared)


def is_wide(encoding: str) -> bool:
    """Whether a line end is two bytes."""
    return encoding.startswith(UTF_16)


def as_utf8(octets: IO[bytes], encoding: str) -> IO[bytes]:
    """The text as UTF-8; reading to an end within a character raises UnicodeError."""
    return octets if encoding == UTF_8 else io.BufferedReader(_Transcoding(octets, encoding))


class _Transcoding(io.RawIOBase):
    """A text's UTF-8, made of its bytes on the way."""

    def __init__(self, octets: IO[bytes], encoding: str) -> None:
        # Half a pair in UTF-16 is a lone surrogate already.
        errors = "surrogatepass" if is_wide(encoding) else "surrogateescape"
        self._octets = octets
        self._has_controls = encoding.startswith("iso8859")
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        while not self._ready:
            octets = self._octets.read(BLOCK_BYTES)
            if not octets:
                if self._decoder.getstate()[0]:
                    raise UnicodeError("the text ends within a character")
                return 0
            text = self._decoder.decode(octets)
            if self._has_controls:
                text = _CONTROLS.sub(lambda match: chr(0xDC00 + ord(match[0])), text)
            self._ready = memoryview(text.encode(UTF_8, "surrogatepass"))
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def shown(row: bytes) -> bytes:
    """A row of `as_utf8` with its undecodable bytes as \\xNN, and halves of pairs as \\uNNNN."""
    return _LONE_SURROGATE.sub(_shown, row)


def _shown(match: re.Match[bytes]) -> bytes:
    code = ord(match[0].decode(UTF_8, "surrogatepass"))
    if _FIRST_ESCAPED <= code <= _LAST_ESCAPED:
        return b"\\x%02x" % (code & 0xFF)
    return b"\\u%04x" % code
