"""Ways to damage a file: its bytes, the values inside it, and what lies in its place; drawn from a seeded generator."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

DEEP = 5000
ODD = (
    *(
        "Ba$$in",
        "a | b",
        "<script>alert(1)</script>",
        "%&#_{}\\",
        "\u2028",
        "\u0085",
        "a\nb\r",
        "\u202eabc",
        "שלום",
        "😀",
    ),
    *(
        "",
        " ",
        "../../../x",
        "/etc/passwd",
        "a\u0000b",
        "x" * 5000,
        "nan",
        "NaN",
        "1e400",
        "__class__",
        "$\\frac{",
        "\ufeff",
    ),
)
"""Texts that something somewhere takes for markup, a path, an end of a line or a number."""
NUMBERS = (0, -1, 1, 2**63, -(2**63) - 1, 10**9, 10**11, 10**400, 0.5, -0.0, 1e308, -1e308, 5e-324)
VALUES: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"a": 1}, *NUMBERS, *ODD)
BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>'
)
RAW = (
    *(
        "nan",
        "inf",
        "1" * 5000,
        "0x" + "f" * 5000,
        "[" * DEEP + "]" * DEEP,
        "{a=" * DEEP,
        "1e999",
        "-",
        "[1,,2]",
        "''''",
    ),
    *("1979-05-27T07:32:00Z", "07:32:00", "tru", '"', "'''", "[[", "1_0", "+1", ".5", "{}", "[]", "[{}]", "true", "-1"),
    *("1000000000", "100000000000", "0", '""', '"Ba$$in"', '"../../x"', '"\\u0000"', '"a\\u2028b"', "[1, 'a']"),
)
"""What may stand on the right of an equals sign, and should not."""


def binary(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Damage that knows nothing of what the bytes mean."""
    at, length = rng.randrange(len(content) + 1), rng.randrange(1, 64)
    kind = rng.choice(["flipped bits", "cut off", "a hole", "doubled", "noise", "zeros", "empty", "encoding", "mark"])
    if kind == "flipped bits":
        found = bytearray(content)
        for _ in range(rng.randrange(1, 9)):
            found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
        return kind, bytes(found)
    changed = {
        "cut off": content[:at],
        "a hole": content[:at] + content[at + length :],
        "doubled": content[:at] + content[max(0, at - length) :],
        "noise": content[:at] + rng.randbytes(length) + content[at:],
        "zeros": content[:at] + bytes(length) + content[at + length :],
        "empty": b"",
        "encoding": content.decode("latin-1").encode(rng.choice(["utf-16", "utf-32", "utf-7"])),
        "mark": b"\xef\xbb\xbf" + content,
    }
    return kind, changed[kind]


def in_toml(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A value, a key or a line of a TOML file replaced, doubled, moved or left out."""
    lines = content.decode().split("\n")
    at = rng.randrange(len(lines))
    kind = rng.choice(["value", "value", "value", "key", "doubled", "left out", "moved", "nested"])
    if kind == "value":
        lines[at] = re.sub(r"=\s*.*", lambda _: f"= {rng.choice(RAW)}", lines[at], count=1)
    elif kind == "key":
        lines[at] = re.sub(r"^\w+", lambda _: json.dumps(rng.choice(ODD)), lines[at])
    elif kind == "doubled":
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif kind == "left out":
        del lines[at]
    elif kind == "moved":
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    else:
        lines[at] += rng.choice(["[" * DEEP, "a." * DEEP + "b = 1", "[" + "a." * DEEP + "b]", "{a = " * DEEP])
    return f"TOML: {kind}", "\n".join(lines).encode()


def in_json(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A value or a key somewhere in one line, or in the whole, of a JSON file."""
    text = content.decode()
    try:
        lines = [json.loads(text)]
    except json.JSONDecodeError:
        lines = [json.loads(line) for line in text.split("\n") if line]
    at = rng.randrange(len(lines))
    kind = rng.choice(["value", "value", "value", "key", "left out", "added", "list", "nested", "repeated", "line"])
    if kind == "line":
        lines = rng.choice([lines[:at] + lines[at + 1 :], [*lines, lines[at]], lines[::-1], [{}], [*lines, {}]])
        return "JSON: line", _dumped(lines)
    holder, key = rng.choice(list(_places(lines[at])) or [(lines, at)])
    if kind in ("value", "nested"):
        holder[key] = rng.choice(VALUES) if kind == "value" else _nested(rng)
    elif kind == "left out":
        del holder[key]
    elif kind == "list":
        holder[key] = [holder[key]] * rng.choice([1, 2, 3000])
    elif isinstance(holder, dict):
        value = holder.pop(key) if kind == "key" else holder[key]
        holder[rng.choice(ODD) or "odd"] = value
    if kind == "repeated":
        text = _dumped(lines).decode()
        return "JSON: repeated", re.sub(r'("\w+": [^,{}\[\]]+,)', r"\1 \1", text, count=rng.randrange(1, 4)).encode()
    return f"JSON: {kind}", _dumped(lines)


def _nested(rng: random.Random) -> Any:
    found: Any = 0
    for _ in range(rng.choice([60, 300, 900])):
        found = [found] if rng.random() < 0.5 else {"a": found}
    return found


def _dumped(lines: list[Any]) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _places(value: Any) -> Any:
    """Every (holder, key) inside a plain value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(inside):
        yield value, key
        yield from _places(child)


def in_gzip(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """The lines inside a packed file."""
    kind, changed = in_json(gzip.decompress(content), rng)
    return f"packed {kind}", gzip.compress(changed, 1)


def in_csv(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A cell, a line or the separators of a table."""
    rows = [line.split(",") for line in content.decode().strip().split("\n")]
    row = rng.choice(rows)
    kind = rng.choice(["cell", "cell", "cell", "short line", "long line", "doubled", "separator", "quote", "ends"])
    if kind == "cell":
        row[rng.randrange(len(row))] = rng.choice([*ODD, *map(str, NUMBERS), "9" * 5000, '"' * 7, "0_8", "inf"])
    elif kind == "short line":
        del row[rng.randrange(len(row))]
    elif kind == "long line":
        row.extend(["1"] * rng.choice([1, 5000]))
    elif kind == "doubled":
        rows.insert(rng.randrange(len(rows)), list(row))
    elif kind == "quote":
        row[0] = f'"{row[0]}'
    join = rng.choice([";", "\t", "|", ", "]) if kind == "separator" else ","
    end = rng.choice(["\r\n", "\r", "\n\n", "\u2028"]) if kind == "ends" else "\n"
    return f"CSV: {kind}", end.join(join.join(one) for one in rows).encode()


def in_arrays(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One array of a ``.npz`` file of another shape, type or content, gone, or larger than the file says."""
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = rng.choice(sorted(arrays))
    old = arrays[name]
    made: dict[str, Callable[[], Any]] = {
        "empty array": lambda: np.empty((0, *old.shape[1:])),
        "scalar": lambda: np.float64(1),
        "not finite": lambda: np.full_like(old, np.nan, dtype=np.float64),
        "infinite": lambda: np.full_like(old, np.inf, dtype=np.float64),
        "huge numbers": lambda: np.full_like(old, 1e308, dtype=np.float64),
        "words": lambda: np.full(old.shape, "a"),
        "complex": lambda: old.astype(np.complex128),
        "objects": lambda: np.array([{}], dtype=object),
        "transposed": lambda: old.T,
        "one more axis": lambda: old[None],
        "integers": lambda: np.ones(old.shape, np.int8),
    }
    kind = rng.choice([*made, "gone", "another name"])
    arrays.pop(name) if kind in ("gone", "another name") else None
    if kind != "gone":
        arrays[rng.choice(ODD) or "odd" if kind == "another name" else name] = made[kind]() if kind in made else old
    out = io.BytesIO()
    np.savez(out, **{key.replace("/", "_").replace("\0", "_"): value for key, value in arrays.items()})
    return f"arrays: {kind}", out.getvalue()


def in_place(path: Path, rng: random.Random) -> str:
    """Something else in the place of the file."""
    kind = rng.choice(["no file", "a folder", "a pipe", "a loop of links", "a link to nothing", "another file"])
    path.unlink()
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a loop of links":
        path.symlink_to(path.name)
    elif kind == "a link to nothing":
        path.symlink_to("nothing")
    elif kind == "another file":
        shutil.copy(__file__, path)
    return kind


def in_xml(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """An attribute, an element, the nesting, or a document type of an XML file."""
    text = content.decode()
    odd = rng.choice([*ODD, *map(str, NUMBERS), "1," * 3000, "0,5,4", "inf", "9" * 400])
    kind = rng.choice(
        ["attribute", "attribute", "attribute", "name", "left out", "doubled", "nested", "entities", "open"]
    )
    tags = re.findall(r"<[^>]*>", text)
    tag = rng.choice(tags)
    if kind == "attribute":
        given = re.findall(r'"[^"]*"', text)
        text = text.replace(rng.choice(given), f'"{odd}"', 1)
    elif kind == "name":
        text = re.sub(r"\w+=", lambda _: f"{odd[:20]}=", text, count=1)
    elif kind in ("left out", "doubled"):
        text = text.replace(tag, "" if kind == "left out" else tag * rng.choice([2, 3000]), 1)
    elif kind == "nested":
        text = text.replace(tag, tag + "<a>" * rng.choice([10, 10_000, 100_000]), 1)
    elif kind == "entities":
        text = BOMB + rng.choice([text, text.replace('"', '"&c;', 1), "<a>&c;</a>"])
    else:
        text = text.replace(tag, tag[:-1], 1)
    return f"XML: {kind}", text.encode("utf8", "replace")


def in_hdf5(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A dataset of an HDF5 file of another shape, type or content, gone, elsewhere, or larger than its file."""
    out = io.BytesIO(content)
    kind = rng.choice(
        ["shape", "type", "not finite", "gone", "a group", "elsewhere", "a loop", "huge", "packed", "name"]
    )
    with h5py.File(out, "r+") as file:
        name = rng.choice(sorted(file))
        old = file[name][()]
        del file[name]
        if kind == "shape":
            file[name] = old.reshape(rng.choice([(-1,), (1, *old.shape), (*old.shape, 1), old.shape[::-1]]))
        elif kind == "type":
            file[name] = rng.choice([old.astype("S3"), old.astype(complex), old > 1, old.astype(np.float16)])
        elif kind == "not finite":
            file[name] = np.where(rng.random() < np.random.default_rng(0).random(old.shape), np.nan, old)
        elif kind == "a group":
            file.create_group(name)
        elif kind == "elsewhere":
            file[name] = rng.choice([h5py.ExternalLink("/etc/passwd", "a"), h5py.SoftLink("/nowhere")])
        elif kind == "a loop":
            file[name] = h5py.SoftLink(f"/{name}")
        elif kind == "huge":
            file.create_dataset(name, shape=(2**40, *old.shape[1:]), chunks=(1, *old.shape[1:]), dtype="f8")
        elif kind == "packed":
            shape = (2_000_000, *old.shape[1:])
            file.create_dataset(name, shape=shape, dtype="f8", chunks=(1000, *old.shape[1:]), compression="gzip")
        elif kind == "name":
            file[rng.choice(["odd", "showers ", "Showers", "a/b/c"])] = old
    return f"HDF5: {kind}", out.getvalue()
