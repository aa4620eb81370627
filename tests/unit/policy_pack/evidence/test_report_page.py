"""The page of the evidence: well-formed, complete, and without anything from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path

from tests.policy.states import run_evidence, state


class Strict(HTMLParser):
    """Elements that are closed in order, and what loads anything."""

    VOID = ("meta", "link", "img", "br", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")
            if name == "src" or tag in ("script", "link", "iframe", "object"):
                self.loads.append(f"{tag} {value}")

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.VOID

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path: Path) -> None:
    _, _, out = run_evidence(tmp_path, state())
    page = (out / "index.html").read_text()
    read = Strict()
    read.feed(page)
    assert read.open == []
    assert read.loads == []
    assert len(read.ids) == len(set(read.ids))
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert page.count("<svg") == page.count('role="img"') == 4
    assert "@import" not in page
    assert "url(http" not in page
    text = " ".join(read.text)
    assert "No workload of one hospital has access to another hospital's data" in text
    for head in ("Data flow of hospital north", "Network map of hospital south", "7. Workflows", "9. Risk assessment"):
        assert head in text
