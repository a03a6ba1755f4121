"""Bundles on disk: a folder or a ZIP file, written whole or not at all, read within bounds, and checked."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path

from qinn_bench.files import GIB, MIB, at_most, read_bytes, size
from qinn_bench.report.bundle.contents import SUMS, Contents, check_names
from qinn_bench.report.bundle.crate import CRATE, problems
from qinn_bench.values import Refused
from qinn_bench.writing import write_together, write_whole

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive, so that equal files are equal archives."""
MOST_BYTES, MOST_FILES = GIB, 10_000
"""Limits of a bundle that is read."""
SUM = re.compile(r"([0-9a-f]{64})  (.+)")


def write_bundle(path: Path, files: Contents) -> None:
    """Write a bundle as a ZIP file, where its name ends so, or into a folder that is empty or not there yet.

    Raises:
        Refused: the folder has something in it.
    """
    if path.suffix == ".zip":
        content = zipped(files)
        write_whole(path, lambda file: file.write(content))
        return
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise Refused(f"'{path}' is there already and not empty; name a new folder, or a file that ends in .zip")
    write_together([(path / name, lambda file, own=own: file.write(own)) for name, own in files.items()])  # type: ignore[misc]


def zipped(files: Contents) -> bytes:
    """The archive of a bundle; equal files give equal bytes.

    >>> zipped({"a": b"1"}) == zipped({"a": b"1"})
    True
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def read_bundle(path: Path) -> Contents:
    """The files of a bundle, a folder or a ZIP file.

    Raises:
        Refused: it is neither, it is too large, or a name in it leads elsewhere.
    """
    if path.is_dir():
        names = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink()]
        _check_size(path, len(names), sum(file.stat().st_size for file in names))
        return {file.relative_to(path).as_posix(): read_bytes(file, most=MOST_BYTES) for file in names}
    packed = read_bytes(path, f"there is no bundle '{path}'", MOST_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _check_size(path, len(members), sum(one.file_size for one in members))
            check_names([one.filename for one in members])
            return {one.filename: _member(archive, one) for one in members}
    except Refused:
        raise
    except Exception as error:  # Damaged bytes make zipfile and zlib raise errors of a dozen kinds.
        raise Refused(f"'{path}' is no bundle: {error}; a folder or a ZIP file was expected") from None


def _member(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> bytes:
    with archive.open(one) as file:
        return at_most(file, one.file_size)


def _check_size(path: Path, count: int, total: int) -> None:
    if count > MOST_FILES or total > MOST_BYTES:
        raise Refused(
            f"'{path}' holds {count} files of {total // MIB} MiB; at most {MOST_FILES} of {size(MOST_BYTES)} "
            "were expected"
        )


def bundle_problems(files: Contents) -> list[str]:
    """What is wrong with a bundle: files that changed, are missing or are not listed, and its metadata; else nothing.

    >>> bundle_problems({})
    ['there is no SHA256SUMS', 'there is no ro-crate-metadata.json']
    """
    found: list[str] = []
    if SUMS not in files:
        found.append(f"there is no {SUMS}")
    else:
        found += _of_sums(files)
    if CRATE not in files:
        return [*found, f"there is no {CRATE}"]
    return [*found, *problems(files[CRATE].decode(errors="replace"), files)]


def _of_sums(files: Contents) -> list[str]:
    lines = files[SUMS].decode(errors="replace").splitlines()
    listed = {match[2]: match[1] for line in lines if (match := SUM.fullmatch(line))}
    found = [f"{SUMS} has a line that is no checksum"] if len(listed) != len(lines) else []
    for name, told in listed.items():
        if name not in files:
            found.append(f"'{name}' is listed in {SUMS} and not there")
        elif hashlib.sha256(files[name]).hexdigest() != told:
            found.append(f"'{name}' is not as it was: its SHA-256 differs")
    return [*found, *(f"'{name}' is not listed in {SUMS}" for name in files if name not in {*listed, SUMS})]
