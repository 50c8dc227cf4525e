"""Names of folders: a local path, or the URL of one in a bucket (`gs://BUCKET/FOLDER`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from distil_jax.errors import Unavailable, UserError, to_install

EXTRAS = {"gs": "gcs", "gcs": "gcs"}
"""The extras of this package that install a file system."""

LOGIN = {
    "gs": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}


def is_url(name: str | Path) -> bool:
    """Whether a name is one of fsspec's URLs rather than a path here."""
    return "://" in str(name)


def join(name: str | Path, *parts: str) -> str | Path:
    """What has this name in a folder."""
    return "/".join((strip_slash(name), *parts)) if is_url(name) else Path(name, *parts)


def parent(name: str | Path) -> str | Path:
    """The folder that holds a folder."""
    return strip_slash(name).rpartition("/")[0] if is_url(name) else Path(name).parent


def basename(name: str | Path) -> str:
    """A folder's own name."""
    return strip_slash(name).rpartition("/")[2] if is_url(name) else Path(name).name


def strip_slash(url: str | Path) -> str:
    """A URL without slashes at its end."""
    scheme, separator, rest = str(url).partition("://")
    return scheme + separator + rest.rstrip("/")


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn a store's refusals into `Unavailable`; a missing file stays a FileNotFoundError."""
    try:
        yield
    except (UserError, FileNotFoundError, FileExistsError):
        raise
    except Exception as error:  # every store's client has errors of its own
        raise Unavailable(refusal(url, error)) from error


def refusal(url: str, error: BaseException) -> str:
    """One line: what cannot be reached, why, and what to type."""
    scheme, bucket = urlsplit(url)[:2]
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, ImportError):
        extra = EXTRAS.get(scheme)
        advice = to_install(extra) if extra else "install the file system that fsspec names"
        return f"{url} needs a library that is not installed ({reason}); {advice}"
    if isinstance(error, ValueError) and "rotocol" in reason:
        advice = "use gs://BUCKET/FOLDER or a local folder"
        return f"{url} is not a URL of a known kind ({reason}); {advice}"
    if _code(error) == 401 or "redentials" in reason or "Unauthorized" in reason:
        advice = LOGIN.get(scheme, "log in to it first")
        return f"{url} needs credentials that are not here ({reason}); {advice}"
    if isinstance(error, PermissionError) or "Forbidden" in reason or _code(error) == 403:
        return (
            f"{url} is not allowed to this account ({reason}); let it read and write objects of "
            f"{scheme}://{bucket}, or use another account"
        )
    return (
        f"{url} cannot be reached ({type(error).__name__}: {reason}); check its name, the network"
    )


def missing_bucket(url: str) -> UserError:
    """What to say when a bucket does not exist."""
    scheme, bucket = urlsplit(url)[:2]
    create = f"; create it: gcloud storage buckets create gs://{bucket}" if scheme == "gs" else ""
    return UserError(f"there is no bucket {bucket} ({url}){create}")


def _code(error: BaseException) -> int | None:
    code = getattr(error, "code", None)
    return int(str(code)) if str(code).isdecimal() else None
