"""One file of HTML that needs nothing else: its style and script stand in it, and all that is filled in is escaped."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from qinn_bench import __version__

FOLDER = Path(__file__).parent / "templates"
ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
POLICY = (
    "default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
)
"""What a browser may load for a page (Content Security Policy, level 3): pictures that stand in it, its own style and
its own script, each by the hash of its content; nothing from a network."""


def filled_in(template: str, **facts: Any) -> str:
    """A template with these facts in it, as a whole page; equal facts give equal bytes.

    What the facts say is text, whatever it looks like: autoescape is on, and no script but that of this project runs.

    >>> page = filled_in("base.html", title="<b>")
    >>> "<title>&lt;b&gt;</title>" in page, "http://" in page
    (True, False)
    """
    style, script = (_part(name) for name in ("page.css", "page.js"))
    policy = POLICY.format(style=_hash(style), script=_hash(script))
    shared = {"style": Markup(style), "script": Markup(script), "policy": policy, "version": __version__}
    return ENVIRONMENT.get_template(template).render(**shared, **facts)


def data_uri(content: bytes, kind: str) -> str:
    """A picture that stands in the page.

    >>> data_uri(b"<svg/>", "image/svg+xml")
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _part(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
