"""What a page of HTML is made of, by the parser of the standard library: its elements, ids, links and texts."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from typing import NamedTuple

VOID = frozenset({"meta", "link", "img", "input", "br", "hr"})


class Element(NamedTuple):
    """An element with its attributes, the names of what it stands in, and the text in it."""

    name: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    text: list[str]

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


class Page(HTMLParser):
    """All elements of a page; an element that is closed where it is not open fails."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {[one.name for one in self.open]}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        inside = tuple(one.name for one in self.open)
        element = Element(tag, {name: value or "" for name, value in attributes}, inside, [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1].name == tag, f"</{tag}> closes {[one.name for one in self.open[-3:]]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for one in self.open:
            one.text.append(data)

    def of(self, *names: str) -> list[Element]:
        return [one for one in self.elements if one.name in names]

    @property
    def ids(self) -> Counter[str]:
        return Counter(one.attributes["id"] for one in self.elements if "id" in one.attributes)


def check(page: Page) -> None:
    """That a page needs no network, that its links lead somewhere, and that who hears it or has no mouse can use it."""
    assert [name for name, count in page.ids.items() if count > 1] == []
    links = [one.attributes["href"] for one in page.of("a")]
    assert [link for link in links if not link.startswith("#") or link[1:] not in page.ids] == []
    sources = [
        one.attributes[at] for one in page.elements for at in ("src", "srcset", "action") if at in one.attributes
    ]
    assert [source[:40] for source in sources if not source.startswith("data:")] == []
    assert not page.of("link", "iframe", "object", "embed", "base", "form")
    assert not [one for one in page.elements if any(name.startswith("on") for name in one.attributes)]
    assert not [one for one in page.elements if "style" in one.attributes]
    policy = next(one for one in page.of("meta") if "http-equiv" in one.attributes)
    assert "default-src 'none'" in policy.attributes["content"] and "unsafe" not in policy.attributes["content"]
    assert len(page.of("h1")) == 1 and len(page.of("main")) == 1 and page.of("html")[0].attributes["lang"] == "en"
    assert page.of("a")[0].attributes["href"] == "#main"
    assert all("alt" in one.attributes for one in page.of("img"))
    labelled = {one.attributes["for"] for one in page.of("label")}
    assert {one.attributes["id"] for one in page.of("input")} <= labelled
    assert all(one.attributes.get("scope") in ("col", "row", "rowgroup") for one in page.of("th"))
    sortable = [one for one in page.of("th") if one.attributes["scope"] == "col" and "aria-sort" in one.attributes]
    assert all(one.attributes["aria-sort"] == "none" for one in sortable)
    assert len(sortable) == len([one for one in page.of("button") if "th" in one.inside])
    assert all(one.words or one.attributes.get("aria-label") for one in page.of("button"))
    named = {one.attributes["aria-labelledby"] for one in page.elements if "aria-labelledby" in one.attributes}
    assert named <= set(page.ids)
    levels = [int(one.name[1]) for one in page.of("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))
