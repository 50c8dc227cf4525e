"""The bytes that kinds of files begin with, for files that are not read."""

ENCODINGS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"+/v8", "UTF-7"),
    (b"+/v9", "UTF-7"),
    (b"\x84\x31\x95\x33", "GB18030"),
    (b"\xdd\x73\x66\x73", "UTF-EBCDIC"),
    (b"\x0e\xfe\xff", "SCSU"),
)
"""Byte order marks of other encodings than UTF-8, the longest first."""

_BINARY = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"ARROW1", "an Arrow file (of a saved data set name the folder)"),
    (b"\xff\xff\xff\xff", "an Arrow stream (of a saved data set name the folder)"),
    (b"FEA1", "a Feather table"),
    (b"ORC", "an ORC table"),
    (b"Obj\x01", "an Avro table"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"CDF\x01", "a NetCDF file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x89PNG\r\n", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"GGUF", "a model in GGUF"),
    (b"<stata_dta>", "a Stata table"),
    (b"$FL2", "an SPSS table"),
    (b"RDX", "an R data file"),
    (b"WARC/", "a web archive"),
    (b"ID3", "a recording"),
    (b"OggS", "a recording"),
)

MARKUP = (
    *(
        (begin, "HTML markup, not text; extract its text first")
        for begin in (b"<!doctype html", b"<html", b"<head", b"<body")
    ),
    *(
        (begin, "XML markup, not text; extract its text first")
        for begin in (b"<?xml", b"<!doctype", b"<mediawiki", b"<tei", b"<rss", b"<svg")
    ),
    (b"\\documentclass", "LaTeX markup, not text; extract its text first"),
    (b"webvtt", "a file of subtitles, not text; extract its text first"),
    *(
        (begin, "WikiExtractor's output with <doc> tags, not text; make it with --json")
        for begin in (b'<doc id="', b"<doc url=")
    ),
)
"""What marked-up texts begin with, in lower case."""

UNREAD_SUFFIXES = {
    ".csv": "a table",
    ".tsv": "a table",
    ".tab": "a table",
    **dict.fromkeys((".arrow", ".feather", ".orc", ".avro", ".dta", ".sav", ".rdata"), "a table"),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "a table"),
    **dict.fromkeys((".h5", ".hdf5", ".npy", ".npz", ".pkl", ".pickle", ".pt"), "binary data"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "a database"),
    ".pdf": "a PDF",
    **dict.fromkeys((".doc", ".docx", ".odt", ".rtf", ".epub"), "an office document"),
    **dict.fromkeys((".html", ".htm", ".xhtml", ".xml", ".tex", ".ipynb"), "markup"),
    **dict.fromkeys((".srt", ".vtt"), "a file of subtitles"),
    **dict.fromkeys(
        (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar"), "an archive of files"
    ),
    **dict.fromkeys(
        (".z", ".br", ".sz", ".snappy", ".lzo", ".lz"),
        "compressed in a way that is not read here (gz, xz, bz2, zst and lz4 are)",
    ),
}
"""Files whose names alone say that they are no text."""

_TAR_MARK = slice(257, 262)
_ZIPS = (
    (b"word/", "a Word document"),
    (b"xl/", "an Excel workbook"),
    (b"ppt/", "a presentation"),
    (b"application/epub", "an EPUB book"),
    (b"application/vnd.oasis", "an OpenDocument file"),
    (b".npy", "NumPy arrays"),
)


def binary_kind(start: bytes) -> str | None:
    """What a file is, by its first bytes; None for what may be text."""
    if start[_TAR_MARK] == b"ustar":
        return "an archive of files (tar), not text; extract it first"
    # A text may begin with the letters of a signature.
    letters = not any(byte < 9 or 13 < byte < 27 or byte > 126 for byte in start[:64])
    found = next(
        (
            what
            for magic, what in _BINARY
            if start.startswith(magic) and not (letters and magic.isalnum())
        ),
        None,
    )
    return found and f"{found}, not text"


def zip_kind(start: bytes) -> str:
    """What a file that begins as a ZIP archive is."""
    what = next((what for part, what in _ZIPS if part in start[:4096]), "an archive of files (ZIP)")
    return f"{what}, not text"
