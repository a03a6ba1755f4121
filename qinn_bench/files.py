"""Open files that came from outside: regular ones of a bounded size, in UTF-8 or of arrays; all else is refused."""

from __future__ import annotations

import errno
import gzip
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from qinn_bench.values import Refused

MIB, GIB = 2**20, 2**30
FILE_BYTES = 256 * MIB
LINE_BYTES = 8 * MIB
UNPACKED_BYTES = 2 * GIB
"""Limits of a file, of one of its lines, and of what an archive of arrays unpacks to."""
SHIPPED = frozenset(
    {
        *(f"benchmarks/{name}" for name in ("studies", "claims", "watched")),
        *("docs/examples", "results/licence", "results/published", "results/golden/quality"),
    }
)
"""Folders of the project of which an installation has copies, as `pyproject.toml` says."""
ROOTS = (Path(__file__).parent / "shipped", Path(__file__).parents[1])
"""Where the copies are: in an installation, and in a checkout that is run from another folder."""
SHOWN = 200
"""Characters of another library's message that a sentence quotes."""


def file_name(name: str) -> str:
    """A name from outside as that of one file: ``/`` and other characters that no name here needs are escaped (%2F)."""
    return quote(name, safe="[]=,+ ", errors="surrogatepass")


def places(path: Path) -> tuple[Path, ...]:
    """The path and, of a file or folder of the project's own (`SHIPPED`), its copies in the installation."""
    own = not path.is_absolute() and SHIPPED & {path.as_posix(), path.parent.as_posix()}
    return (path, *(root / path for root in ROOTS)) if own else (path,)


def named(path: Path, folder: str, kind: str) -> tuple[Path, str]:
    """The file that a name or a path stands for, in a folder of the project's own or as it is, with or without its
    ``.toml``; and what to say where there is none, with the names that there are."""
    known = sorted({file.stem for place in places(Path(folder)) for file in place.glob("*.toml")})
    if path.name in known and path.name == str(path) and not path.exists():
        return Path(folder) / f"{path.name}.toml", ""
    if not path.exists() and path.suffix != ".toml" and (own := path.with_name(f"{path.name}.toml")).is_file():
        path = own
    names = f"; by name there are: {', '.join(known)}" if known else ""
    return path, f"there is no {kind} '{path}'{names}"


def at_hand(path: Path) -> Path:
    """The path, or where nothing is there the copy of the project's own file of that name, if it is one."""
    return next((place for place in places(path) if place.exists()), path)


def open_file(path: Path, absent: str = "") -> IO[bytes]:
    """A regular file, opened to read its bytes; of the project's own files the copy where nothing is at the path.

    Raises:
        Refused: no such file, in the words of `absent`; a folder, a pipe or a device; one that may not be read.
    """
    missing = absent or f"there is no file '{path}'"
    try:
        path = at_hand(path)
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise Refused(f"{missing} (it is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'})")
        return path.open("rb")
    except Refused:
        raise
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise Refused(missing) from None
    except PermissionError:
        raise Refused(f"{path} may not be read by this user") from None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENAMETOOLONG):
            raise
        raise Refused(missing) from None


def read_bytes(path: Path, absent: str = "", most: int = FILE_BYTES) -> bytes:
    """All bytes of a file.

    Raises:
        Refused: as for `open_file`; or it has more than `most` bytes.
    """
    with open_file(path, absent) as file:
        content = at_most(file, most + 1)
    if len(content) > most:
        raise Refused(f"{path} has more than {size(most)}, which is more than such a file may have")
    return content


def at_most(file: IO[bytes], most: int) -> bytes:
    """The first `most` bytes of a file, block by block: one read would reserve memory for all that it may bring."""
    blocks: list[bytes] = []
    while most > 0 and (block := file.read(min(most, MIB))):
        blocks.append(block)
        most -= len(block)
    return b"".join(blocks)


def read_text(path: Path, absent: str = "", most: int = FILE_BYTES) -> str:
    """The text of a file in UTF-8, with or without the mark at its start (BOM).

    Raises:
        Refused: as for `read_bytes`; or it is not UTF-8.
    """
    return _decoded(read_bytes(path, absent, most), path, "utf-8-sig")


def read_lines(path: Path, absent: str = "", most: int = FILE_BYTES, *, packed: bool = False) -> Iterator[str]:
    r"""The lines of a text in UTF-8, each with its ``\n``, which alone ends one; a `packed` one is in gzip.

    No more than a line and a block is held in memory.

    Raises:
        Refused: as for `read_text`; a line, or all of it when unpacked, is too long; no whole gzip file.
    """
    taken = 0
    with open_file(path, absent) as file:
        unpacked: Any = gzip.GzipFile(fileobj=file) if packed else file
        while line := _line(unpacked, path):
            if len(line) > LINE_BYTES:
                raise Refused(f"{path} has a line of more than {size(LINE_BYTES)}, which is more than one may have")
            encoding, taken = "utf-8" if taken else "utf-8-sig", taken + len(line)
            if taken > most:
                raise Refused(f"{path} holds more than {size(most)}, which is more than such a file may hold")
            yield _decoded(line, path, encoding)


def read_arrays(path: Path, absent: str = "", most: int = UNPACKED_BYTES) -> dict[str, NDArray[Any]]:
    """The arrays of a ``.npz`` file, whose sizes are looked at before anything is unpacked.

    Raises:
        Refused: no such file, in the words of `absent`; a damaged one; arrays of objects; more than `most` bytes.
    """
    with open_file(path, absent) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_sizes(archive, path, most)
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                return {name: np.asarray(stored[name]) for name in stored.files}
        except Refused:
            raise
        # Damaged bytes make zipfile, zlib and NumPy raise errors of a dozen kinds, from SyntaxError to struct.error.
        except Exception as error:
            raise Refused(f"{path} is damaged, no whole file of arrays ({short(error)})") from None


def packed_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of a ``.npz`` file of these arrays, compressed."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _check_sizes(archive: zipfile.ZipFile, path: Path, most: int) -> None:
    """That the members are as large as their arrays say, and all of them together not larger than `most`."""
    total = 0
    for member in archive.infolist():
        with archive.open(member) as file:
            old = np.lib.format.read_magic(file) == (1, 0)
            read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        stated = dtype.itemsize
        for length in shape:
            stated *= int(length)
        total += max(stated, member.file_size)
        if total > most:
            raise Refused(f"{path} unpacks to more than {size(most)}, which is more than such a file may hold")
        if stated > member.file_size:
            raise Refused(f"{path} is damaged, no whole file of arrays ('{member.filename}' is shorter than it says)")


def size(n: int) -> str:
    """A number of bytes in words."""
    unit, name = next((unit, name) for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (1, "bytes")) if n >= unit)
    return f"{n / unit:g} {name}"


def short(said: Exception | str) -> str:
    """What an error or a text from outside says, on one line of bounded length."""
    text = " ".join(str(said).partition("; use sys.")[0].split()) or type(said).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _line(file: Any, path: Path) -> bytes:
    try:
        return bytes(file.readline(LINE_BYTES + 1))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Refused(f"{path} is no whole gzip file ({error})") from None


def _decoded(content: bytes, path: Path, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}") from None
