"""The browser's libraries, installed once by npm into the user's cache.

package-lock.json pins them with their digests; they are 15 MB, which no wheel should carry.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.storage.atomic import draft, parents_made
from distil_jax.storage.cache import cache_folder

WEB = Path(__file__).parent / "web"
FILES = {
    "ort.wasm.min.mjs": "onnxruntime-web/dist/ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs": "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm": "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "tokenizers.mjs": "@huggingface/tokenizers/dist/tokenizers.mjs",
}


def libraries() -> dict[str, Path]:
    """The files by the name that the page asks for; raises `UserError` without npm."""
    root = _cache()
    found = {name: root / "node_modules" / path for name, path in FILES.items()}
    if not all(path.is_file() for path in found.values()):
        install(root)
    return found


def _cache() -> Path:
    """A folder for these very versions."""
    digest = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()[:12]
    return cache_folder(f"web-{digest}")


def install(root: Path, manifest: Path = WEB) -> None:
    """What a manifest's lock pins, into a new folder; raises `UserError` where npm cannot."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("npm is missing, which installs the browser's libraries; install Node.js")
    # Not new_folder: another process may be doing the same just now.
    with parents_made(root.parent, root), draft(root) as folder:
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(manifest / name, folder)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            reason = lines[0] if lines else f"exit status {done.returncode}"
            raise UserError(f"npm ci could not install the browser's libraries: {reason[:200]}")
