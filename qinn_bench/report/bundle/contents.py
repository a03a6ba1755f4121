"""What a bundle holds, by the path in it: laid out like the project, so that every verb works in its folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from qinn_bench import outside
from qinn_bench.files import at_hand, file_name, read_bytes
from qinn_bench.records import published, trials
from qinn_bench.report.bundle.crate import CRATE, crate
from qinn_bench.report.bundle.recipe import recipe
from qinn_bench.report.bundle.versions import LOCK, lock
from qinn_bench.report.checked_claims import FOLDER
from qinn_bench.report.pages.claim_pages import claim_files
from qinn_bench.report.pages.study_page import StudyPage
from qinn_bench.study import study_files
from qinn_bench.values import Refused, Study
from qinn_bench.verdicts import claim_file, claim_locks

PAGE, README, SUMS = "page.html", "README.md", "SHA256SUMS"
PUBLISHED, LICENCES = "results/published", "results/licence"
Contents = dict[str, bytes]
ODD = '<>:"|?*'
"""Letters that names of files cannot have on Windows; ``a:b`` is a stream of ``a`` there."""
DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]", re.IGNORECASE)
"""Names that are devices there, whatever their ending."""


def contents(page: StudyPage, results: Path, records: Path | None = None, claims: Path = Path(FOLDER)) -> Contents:
    """The files of a bundle, by their paths; equal records and versions give equal bytes.

    Raises:
        Refused: a file of claims or of records that is wrong, or one that has a name that some systems cannot have.
    """
    study = page.study
    own = [path for path in claim_files(claims) if path.as_posix() in {one.path for one in page.claims}]
    made: Contents = {
        PAGE: page.html().encode(),
        f"{study_files.FOLDER}/{study.name}.toml": page.text.encode(),
        f"{PUBLISHED}/{study.name}.jsonl.gz": page.packed,
        LOCK: lock(page.records).encode(),
    }
    if study.tuning and (tried := trials.known(study.name, results, records)):
        name = trials.trials_study(study.name)
        made[f"{PUBLISHED}/{name}.jsonl.gz"] = published.packed(name, tried)
    made |= _claims(own, page) | _licences(page, results) | _plugins(study)
    check_names(list(made))
    made[README] = recipe(page, sorted(made), left_out(study)).encode()
    made[CRATE] = crate(page, made).encode()
    made[SUMS] = sums(made).encode()
    return dict(sorted(made.items()))


def sums(files: Contents) -> str:
    """Checksums as ``sha256sum -c`` reads them.

    >>> sums({"a.txt": b"a"}).split()[1]
    'a.txt'
    """
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))


def left_out(study: Study) -> list[str]:
    """What a study needs and a bundle has not: tables of the user's, and folders that lie elsewhere than beside it."""
    tables = [f"the table that '{data}' reads" for data in study.data if "path=" in data]
    folders = [folder for folder in _folders(study) if not _is_beside(folder)]
    return [*tables, *(f"the folder '{folder}'" for folder in folders)]


def _folders(study: Study) -> list[str]:
    return [folder for folder in study.plugins.model_dump().values() if folder]


def _is_beside(folder: str) -> bool:
    path = PurePosixPath(folder)
    return not path.is_absolute() and ".." not in path.parts


def _claims(paths: Sequence[Path], page: StudyPage) -> Contents:
    """Files of claims with their locks, and the study where they look for it."""
    made: Contents = {}
    for path in paths:
        made[f"{FOLDER}/{path.name}"] = read_bytes(path)
        if (frozen := at_hand(claim_locks.lock_path(path))).is_file():
            made[f"{FOLDER}/{frozen.name}"] = read_bytes(frozen)
        if _is_beside(where := claim_file.load(path).study):
            made[str(PurePosixPath(where))] = page.text.encode()
    return made


def _licences(page: StudyPage, results: Path) -> Contents:
    """What the metrics can see on the data sets of the study."""
    names = {record.cell.data.name for record in page.records}
    files = {f"{LICENCES}/{file_name(name)}.json": results / "licence" / f"{file_name(name)}.json" for name in names}
    return {name: read_bytes(at_hand(path)) for name, path in files.items() if at_hand(path).is_file()}


def _plugins(study: Study) -> Contents:
    """The files of the user's own models, data sets and metrics, where the study looks for them."""
    made: Contents = {}
    for kind in ("model", "data", "metric"):
        for folder in outside.folders(kind):
            if folder.said in _folders(study) and _is_beside(folder.said):
                inside = PurePosixPath(study_files.FOLDER) / folder.said
                for file in sorted(folder.path.glob("*.py")):
                    made[str(inside / file.name)] = read_bytes(file)
    return made


def check_names(names: Sequence[str]) -> None:
    """Check that nothing in a bundle leads out of it, and that every system has room for its names.

    Raises:
        Refused: a name does, or is none on some system, or two differ in capitals alone.
    """
    if wrong := [name for name in names if not _is_beside(name) or "\\" in name or name.endswith("/")]:
        raise Refused(f"'{wrong[0]}' leads out of a bundle; a path inside of it was expected")
    if odd := [name for name in names if not is_portable(name)]:
        raise Refused(
            f"'{odd[0]}' is no name of a file on every system; one without {' '.join(ODD)} that ends in no dot or "
            "space was expected"
        )
    first: dict[str, str] = {}
    for name in names:
        if (same := first.setdefault(name.casefold(), name)) != name:
            raise Refused(f"'{same}' and '{name}' of a bundle are one file on some systems; other names were expected")


def is_portable(name: str) -> bool:
    """Whether a path can be written on Linux, macOS and Windows alike.

    >>> [is_portable(name) for name in ("a/b.toml", "a:b", "nul.txt", "a./b", "x?")]
    [True, False, False, False, False]
    """
    if any(letter in ODD or not letter.isprintable() for letter in name):
        return False
    parts = PurePosixPath(name).parts
    return not any(part.endswith((".", " ")) or DEVICE.fullmatch(part.partition(".")[0]) for part in parts)
