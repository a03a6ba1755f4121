"""A file of claims as pages show it: verdicts with intervals and what would change them, and when it was frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qinn_bench import files
from qinn_bench.files import at_hand, read_text
from qinn_bench.records import published, store
from qinn_bench.report.checked_claims import FOLDER, CheckedClaims, check_file
from qinn_bench.report.claims_table import matrices
from qinn_bench.report.pages.badge import badge
from qinn_bench.report.pages.page_tables import PageCell, PageTable, page_tables, plain_table
from qinn_bench.report.pages.shell import data_uri
from qinn_bench.report.pages.what_would_change import what_would_change
from qinn_bench.report.table_parts import MISSING, Entry
from qinn_bench.values import Refused
from qinn_bench.verdicts import claim_file, claim_locks
from qinn_bench.verdicts.claim_file import Claims
from qinn_bench.verdicts.claims import Ruling

NO_RECORDS = "no records"
SHORT = 16
"""Characters of a hash that are shown; 64 bits."""


@dataclass(frozen=True)
class PageVerdict:
    """What is said of one claim: the decision, its words and reason, facts in the order that they are shown in.

    Example:
        >>> PageVerdict("a", "a is better", "undecided", "undecided", "3 pairs", (), "data:").decision
        'undecided'
    """

    id: str
    statement: str
    decision: str
    words: str
    reason: str
    facts: tuple[tuple[str, str], ...]
    badge: str


@dataclass(frozen=True)
class ClaimsOnPage:
    """A file of claims with its verdicts, the tables of pairs, and its freezes; `text` is a ruling that was kept.

    `frozen` is the day since when the file says what it says now, with the start of its hash; empty if it never was.

    Example:
        >>> ClaimsOnPage("c1", "a", "A", "nobody", "", "s", "a.toml", "not frozen", (), "", (), None).verdicts
        ()
    """

    id: str
    name: str
    title: str
    source: str
    quoted: str
    study: str
    path: str
    standing: str
    verdicts: tuple[PageVerdict, ...]
    text: str
    tables: tuple[PageTable, ...]
    history: PageTable | None
    deviations: tuple[str, ...] = ()
    frozen: str = ""


def claim_files(folder: Path = Path(FOLDER)) -> list[Path]:
    """The files of claims of a folder, of the project's own one those of an installation too.

    >>> claim_files()[0].stem
    'bal2025'
    """
    names = {path.name for place in files.places(folder) for path in place.glob("*.toml")}
    return [folder / name for name in sorted(names)]


def shown_claims(
    path: Path, id: str, results: Path, records: Path | None = None, *, published_first: bool = True
) -> ClaimsOnPage:
    """A file of claims, judged by published `records`, by those that are published (`published_first`) or by those of
    the folder of results; without any of these the ruling that was kept in ``results/claims``, if there is one.

    Raises:
        Refused: a file of claims, a lock or records that are wrong.
    """
    file = claim_file.load(path)
    known = records or (_published(results, file) if published_first else None)
    if known is None and not store.load_all(results, file.study_name):
        return _without_records(path, file, id, results)
    checked = check_file(path, results, known)
    verdicts = tuple(_verdict(file, one) for one in checked.rulings)
    tables = [
        made for at, one in enumerate(matrices(file, checked.rulings)) for made in page_tables(one, f"{id}-p{at}")
    ]
    return _page(path, file, id, checked.standing_said, verdicts, tables=tables, checked=checked)


def badges(shown: ClaimsOnPage) -> dict[str, str]:
    """The badge of each claim of a file, by the name of a file for it."""
    return {f"{shown.name}__{one.id}.svg": badge(f"{shown.name} · {one.id}", one.decision) for one in shown.verdicts}


def _published(results: Path, file: Claims) -> Path | None:
    path = published.path_of(results, file.study_name)
    return path if at_hand(path).exists() else None


def _without_records(path: Path, file: Claims, id: str, results: Path) -> ClaimsOnPage:
    kept = at_hand(results / "claims" / f"{path.stem}.txt")
    text = read_text(kept) if kept.is_file() else ""
    said = "its records are not published; the ruling that was kept is below" if text else "there are no records yet"
    standing = claim_locks.standing(path, file, [])
    verdicts = tuple(
        PageVerdict(one.id, one.statement, NO_RECORDS, said, "", _asked(file, one.id), _uri(file, one.id, NO_RECORDS))
        for one in file.claims
    )
    return _page(path, file, id, standing.said, verdicts, text=text)


def _page(
    path: Path,
    file: Claims,
    id: str,
    standing: str,
    verdicts: tuple[PageVerdict, ...],
    *,
    text: str = "",
    tables: Sequence[PageTable] = (),
    checked: CheckedClaims | None = None,
) -> ClaimsOnPage:
    if checked:
        whole = page_tables(checked.table, f"{id}-all")
        tables = (*whole, *tables)
    return ClaimsOnPage(
        id=id,
        name=file.name,
        title=file.title,
        source=f"Source: {file.source}.",
        quoted=file.quoted,
        study=file.study_name,
        path=path.as_posix(),
        standing=standing,
        verdicts=verdicts,
        text=text,
        tables=tuple(tables),
        history=_history(path, id),
        deviations=tuple(" ".join(one.split()) for one in file.deviations),
        frozen=_frozen(path),
    )


def _history(path: Path, id: str) -> PageTable | None:
    """Every freeze of a file, the oldest first, and whether the file still says the same."""
    freezes, now = claim_locks.read_lock(path).freezes, claim_file.fingerprint(path)
    rows = [
        (
            one.frozen_utc,
            one.sha256[:SHORT],
            one.commit[:8] or MISSING,
            f"{one.study.count} cells" if one.study else "not frozen with it",
            "yes" if one.sha256 == now else "no",
        )
        for one in freezes
    ]
    header = ("frozen (UTC)", "SHA-256 of what it says", "commit", "study", "says the same now")
    return plain_table(f"{id}-freezes", f"Freezes of {path.name}", header, rows) if rows else None


def _frozen(path: Path) -> str:
    """Since when a file says what it says now, and its hash."""
    now = claim_file.fingerprint(path)
    freezes = [one for one in claim_locks.read_lock(path).freezes if one.sha256 == now]
    return f"{freezes[0].frozen_utc[:10]}, {now[:SHORT]}" if freezes else ""


def overview(files_of: Sequence[ClaimsOnPage]) -> PageTable:
    """One line a claim: what it says, the verdict with its interval, and since when its file is frozen."""
    rows = [
        (
            PageCell(f"{file.name} · {one.id}", f"{file.name} · {one.id}", link=f"claim-{file.id}-{one.id}"),
            one.statement,
            PageCell(one.decision, one.decision, kinds=f"text {one.decision.replace(' ', '-')}"),
            PageCell(dict(one.facts).get("interval", MISSING), "", kinds="text"),
            PageCell(file.frozen or "never", file.frozen, kinds="text"),
        )
        for file in files_of
        for one in file.verdicts
    ]
    return plain_table(
        "claims", "All claims", ("claim", "what it says", "verdict", "interval", "frozen, SHA-256"), rows
    )


def _verdict(file: Claims, ruling: Ruling) -> PageVerdict:
    claim = ruling.claim
    facts = [*_asked(file, claim.id)]
    if ruling.effect.value is not None:
        unit = f" {ruling.effect.unit}" if ruling.effect.unit else ""
        facts.append(("effect", f"{Entry(ruling.effect)}{unit}"))
    if ruling.interval:
        facts.append(("interval", f"[{ruling.interval[0]:.3g}, {ruling.interval[1]:.3g}]"))
    if ruling.p is not None:
        facts.append(("p, corrected over the file", f"{ruling.p:.2g}, {ruling.p_corrected:.2g}"))
    if ruling.p_against is not None:
        facts.append(("p against, corrected", f"{ruling.p_against:.2g}, {ruling.p_against_corrected:.2g}"))
    facts += [("pairs of seeds", str(ruling.replicates)), ("method", ruling.method or MISSING)]
    facts.append(("what would change it", what_would_change(ruling)))
    reason = f"{ruling.reason[:1].upper()}{ruling.reason[1:]}." if ruling.reason else ""
    words = ruling.words or ruling.decision
    uri = _uri(file, claim.id, ruling.decision)
    return PageVerdict(claim.id, claim.statement, ruling.decision, words, reason, tuple(facts), uri)


def _asked(file: Claims, id: str) -> tuple[tuple[str, str], ...]:
    """What a claim says, in terms of rows."""
    claim = next(one for one in file.claims if one.id == id)
    relation = claim.relation.replace("-", " ")
    ratio = f" {claim.ratio:g}" if claim.ratio is not None else ""
    margin = f", margin {claim.margin:g} {claim.unit}".rstrip() if claim.margin is not None else ""
    return (
        ("tested", f"{claim.first} {relation}{ratio} against {claim.second} in {claim.metric} on {claim.data}{margin}"),
    )


def _uri(file: Claims, id: str, decision: str) -> str:
    return data_uri(badge(f"{file.name} · {id}", decision).encode(), "image/svg+xml")


def checked_folder(folder: Path, results: Path) -> list[ClaimsOnPage]:
    """All files of claims of a folder, judged.

    Raises:
        Refused: there are none, or one is wrong.
    """
    paths = claim_files(folder)
    if not paths:
        raise Refused(f"there are no files of claims (*.toml) in '{folder}'")
    return [shown_claims(path, f"c{at}", results) for at, path in enumerate(paths, 1)]
