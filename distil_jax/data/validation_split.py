"""The one rule that says which documents are validated on, and never trained on."""

import hashlib
import unicodedata

from distil_jax.errors import UserError

# Written into every manifest; a change of the rule is a change of this text.
RULE = "blake2b-64 of NFKC, casefolded, white space as single blanks; held out below the share"


def in_validation(document: str, share: float) -> bool:
    """Whether a document belongs to the validation share, by its text alone.

    Vocabulary, teacher, distillation and validation all ask here. The same words fall into the
    same split whatever their case, spacing, file or place, and raising `share` only adds documents.
    """
    if share <= 0:
        return False
    words = normalised(document).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(words, digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def normalised(document: str) -> str:
    """NFKC, casefolded, white space as single blanks, none at the ends."""
    words = unicodedata.normalize("NFKC", document).casefold().replace("\n", " ")
    # All white space but the blank is unprintable: most documents need not be split into words.
    if "  " in words or not words.isprintable():
        return " ".join(words.split())
    return words.strip()


def check_share(heldout: float, *, whole: bool = False) -> None:
    """Raise UserError unless a validation share leaves something to train on; `whole` allows 1."""
    if not (0 <= heldout < 1 or (whole and heldout == 1)):
        most = "1" if whole else "below 1"
        raise UserError(f"--heldout={heldout} is not a share; give a number from 0 to {most}")
