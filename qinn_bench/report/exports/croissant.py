"""A data set as a table in Parquet with Croissant 1.0 metadata (http://mlcommons.org/croissant/1.0)."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from qinn_bench import __version__
from qinn_bench.dataset import Dataset
from qinn_bench.values import Refused, Use

CONFORMS = "http://mlcommons.org/croissant/1.0"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of Croissant 1.0, section 'Namespaces'."""
SPLIT, LABEL, CONDITION = "split", "label", "condition"
SPLITS = ("train", "valid", "test")
MOST_COLUMNS = 10_000
KIND = "application/x-parquet"


def rows_frame(data: Dataset) -> pd.DataFrame:
    """The rows of a data set, one a line: split, features by name, and label and conditions where there are some.

    Rows of several axes are flattened; their columns are ``x0``, ``x1`` and so on.

    Raises:
        Refused: rows of more than 10 000 numbers.
    """
    parts = [getattr(data, name) for name in SPLITS]
    width = int(np.prod(data.shape))
    if width > MOST_COLUMNS:
        raise Refused(f"rows of {data.name} have {width} numbers; at most {MOST_COLUMNS} were expected of a table")
    flat = np.concatenate([part.reshape(len(part), width) for part in parts])
    named = [column.name for column in data.columns]
    names = named if len(named) == width else [f"x{at}" for at in range(width)]
    columns: dict[str, Any] = {SPLIT: np.repeat(SPLITS, [len(part) for part in parts])}
    columns |= {name: flat[:, at] for at, name in enumerate(names)}
    if data.labels is not None:
        columns[LABEL] = np.concatenate([np.ravel(getattr(data.labels, name)) for name in SPLITS]).astype(np.int64)
    if data.conditions is not None:
        given = np.concatenate(
            [
                np.reshape(getattr(data.conditions, name), (len(part), -1))
                for name, part in zip(SPLITS, parts, strict=True)
            ]
        )
        columns |= {f"{CONDITION}{at}": given[:, at] for at in range(given.shape[1])}
    return pd.DataFrame(columns)


def parquet(frame: pd.DataFrame) -> bytes:
    """A frame as the content of a file."""
    out = io.BytesIO()
    frame.to_parquet(out, engine="pyarrow", index=False)
    return out.getvalue()


def croissant(use: Use, data: Dataset, frame: pd.DataFrame, file: str, content: bytes, told: Mapping[str, str]) -> str:
    """The metadata of a data set whose rows are in a `file` with this `content`, in JSON-LD.

    `told` is what its publisher says: license, url, creator, datePublished; what is not said is left out.
    """
    made: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": use.name,
        "description": f"The data set {use} of qinn-bench {__version__}: {len(data.train)} training, {len(data.valid)} "
        f"validation and {len(data.test)} test rows. Content hash {data.fingerprint}.",
        "version": "1.0.0",
        **{name: said for name, said in told.items() if said},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file,
                "name": file,
                "contentUrl": file,
                "contentSize": f"{len(content)} B",
                "encodingFormat": KIND,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "description": "Rows of all splits, in the units of the data set",
                "field": [_field(name, data, file) for name in frame],
            }
        ],
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _field(name: str, data: Dataset, file: str) -> dict[str, Any]:
    kinds = {SPLIT: "sc:Text", LABEL: "sc:Integer"}
    column = next((one for one in data.columns if one.name == name), None)
    said = {SPLIT: "train, valid or test", LABEL: "0 background, 1 signal"}.get(name, "")
    if column:
        said = f"{column.label} [{column.unit or '1'}]"
    return {
        "@type": "cr:Field",
        "@id": f"rows/{name}",
        "name": name,
        "description": said or name,
        "dataType": kinds.get(name, "sc:Float"),
        "source": {"fileObject": {"@id": file}, "extract": {"column": name}},
    }
