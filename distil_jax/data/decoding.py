"""Bytes to text: UTF-8 with a few faults in it, or a refusal that names the likely encoding."""

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

from distil_jax.errors import UserError

LARGEST_INVALID_SHARE = 0.05
"""Of a text's characters: more is no damage, but another encoding."""
_SMALLEST_LEGACY_SHARE = 1e-4
_FEWEST_INVALID = 3
_IN_A_WORD = re.compile("[A-Za-z]\ufffd|\ufffd[A-Za-z]")
_EXCERPT_BYTES = 1 << 12
_QUOTES = "\u201c\u201d\u2018\u2019\u2013\u2014\u2026\xab\xbb\xa0"
_FEW_WESTERN = 0.15
_USUAL = (
    *("big5", "cp437", "cp850", "cp852", "cp866", "cp874", "cp932", "cp949", "cp1250", "cp1251"),
    *("cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "euc-jp", "gb18030"),
    *("iso-8859-2", "iso-8859-5", "iso-8859-7", "koi8-r", "koi8-u", "macintosh"),
)
_ENCODINGS = {codecs.lookup(name).name.replace("-", "_"): name for name in _USUAL}
"""What text is encoded in, by the detector's names, with the names that iconv takes."""


@dataclass
class DecodeStats:
    """What was wrong with the bytes read.

    Attributes:
      invalid: UTF-8 sequences replaced by U+FFFD.
      characters: read in all.
      wide: bytes of valid characters beyond ASCII, less one for each.
      in_words: invalid sequences beside a letter, as a letter of another encoding stands.
      excerpt: the first bytes that were invalid, with what stands around them.
    """

    invalid: int = 0
    characters: int = 0
    wide: int = 0
    in_words: int = 0
    excerpt: bytes = b""

    def since(self, before: "DecodeStats") -> "DecodeStats":
        """What was read after a copy was made of this."""
        return DecodeStats(
            self.invalid - before.invalid,
            self.characters - before.characters,
            self.wide - before.wide,
            self.in_words - before.in_words,
            self.excerpt,
        )


def decode(raw: bytes, stats: DecodeStats) -> str:
    """UTF-8 to text; invalid sequences are replaced and counted, a byte order mark is dropped."""
    return replaced(raw, stats).lstrip("\ufeff").strip()


def replaced(raw: bytes, stats: DecodeStats) -> str:
    """UTF-8 to text, white space and all; invalid sequences are replaced and counted."""
    try:
        text = raw.decode("utf-8")
        stats.wide += len(raw) - len(text)
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        invalid = text.count("\ufffd") - raw.count("\ufffd".encode())
        stats.invalid += invalid
        stats.in_words += min(invalid, len(_IN_A_WORD.findall(text)))
        stats.wide += len(raw.decode("utf-8", "ignore").encode()) - len(text) + invalid
        stats.excerpt = stats.excerpt or raw[:_EXCERPT_BYTES]
    stats.characters += len(text)
    return text


def check_encoding(stats: DecodeStats, name: object) -> None:
    """Raise `UserError` for a text that is not UTF-8, by `other_encoding`."""
    if found := other_encoding(stats):
        raise UserError(f"{name} is {found}")


def other_encoding(stats: DecodeStats) -> str | None:
    """What is said of a text with more than a small share invalid, or that shows its encoding.

    The latter has letters beyond ASCII, few of them as UTF-8 has them.
    """
    share = stats.invalid / max(stats.characters, 1)
    shows = (
        share > _SMALLEST_LEGACY_SHARE
        and stats.wide < stats.invalid
        and 2 * stats.in_words >= stats.invalid
    )
    if stats.invalid < _FEWEST_INVALID or not (shows or share > LARGEST_INVALID_SHARE):
        return None
    return (
        f"not UTF-8: {stats.invalid:,} of {stats.characters:,} characters are invalid, "
        f"{as_shown(stats.excerpt)}; {advice(stats.excerpt)}"
    )


def as_shown(raw: bytes) -> str:
    """The first invalid byte and what stands around it."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        around = raw[max(0, error.start - 12) : error.start + 12]
        return f"as byte 0x{raw[error.start]:02x} in {ascii(around)[1:]}"
    return "none here"


def advice(raw: bytes) -> str:
    """How to convert a text, by the encoding that its bytes look like."""
    name = _likely(raw)
    if name is None:
        return "save it in UTF-8, or see whether it is text at all"
    return f"it may be in {name}: write it anew in UTF-8 (iconv -f {name} -t utf-8)"


def _likely(raw: bytes) -> str | None:
    """Windows' for a few Western letters and quotation marks, which say little; else a guess."""
    wide = [letter for letter in raw.decode("cp1252", "replace") if letter > "\x7f"]
    western = sum(letter in _QUOTES or "\xdf" <= letter <= "\xff" for letter in wide)
    if western >= 0.9 * len(wide) and len(wide) < max(8, _FEW_WESTERN * len(raw)):
        return "cp1252"
    parts = (raw, raw[:-1])  # an excerpt may end amid a character
    every = [from_bytes(part, cp_isolation=list(_ENCODINGS)).best() for part in parts]
    found = [match for match in every if match is not None]
    return _ENCODINGS[min(found).encoding] if found else None
