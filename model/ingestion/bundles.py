"""What the entries of a Bundle bring: resources, deletions, or nothing for us."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NESTED_BUNDLES = 4
"""A Bundle inside a Bundle (the answer to a batch of searches) is followed so far down."""
URN = "urn:uuid:"

_DELETED = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


@dataclass(frozen=True)
class Item:
    """One resource as it was found, or why it could not be read."""

    index: int
    resource: dict[str, Any] | None
    full_url: str | None = None
    fault: str | None = None
    deleted: tuple[str, str] | None = None
    """Type and id of what the entry deletes."""
    deleted_at: str | None = None
    needless: bool = False
    """The entry asks or answers something and brings no resource."""


def entry_item(index: int, entry: Any) -> Item:
    """Return what one entry brings."""
    if not isinstance(entry, dict):
        return Item(index, None, fault="the bundle's entry is not an object")
    resource, request = entry.get("resource"), entry.get("request")
    request = request if isinstance(request, dict) else {}
    method = request.get("method")
    if method == "DELETE":
        return _deletion(index, request.get("url"), entry.get("response"))
    if isinstance(resource, dict):
        full_url = entry.get("fullUrl")
        full_url = full_url if isinstance(full_url, str) else None
        return Item(index, _named(resource, full_url), full_url)
    if resource is None and (method in {"GET", "HEAD"} or isinstance(entry.get("response"), dict)):
        return Item(index, None, needless=True)
    return Item(index, None, fault="the bundle's entry holds no resource")


def _deletion(index: int, url: Any, response: Any) -> Item:
    found = _DELETED.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        return Item(index, None, fault="the bundle's entry deletes by something else than type and id")
    at = response.get("lastModified") if isinstance(response, dict) else None
    return Item(index, None, deleted=(found[1], found[2]), deleted_at=at if isinstance(at, str) else None)


def _named(resource: dict[str, Any], full_url: str | None) -> dict[str, Any]:
    """Return the resource with an id: one that is yet to be created is known by its temporary one."""
    if "id" not in resource and full_url is not None and full_url.startswith(URN):
        return resource | {"id": full_url.removeprefix(URN)}
    return resource


def is_bundle(value: Any) -> bool:
    """Return whether a value is a Bundle."""
    return isinstance(value, dict) and value.get("resourceType") == "Bundle"


def newest_first(bundle: dict[str, Any]) -> bool:
    """Return whether the entries go back in time, as those of a history do."""
    return bundle.get("type") == "history"


def entries(bundle: dict[str, Any], first: int = 0, depth: int = 0) -> Iterator[Item]:
    """Give what a Bundle brings, that of Bundles inside it included, each with its place among all."""
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        yield Item(first, None, fault="the bundle's entry is not a list")
        return
    index = first
    for entry in listed:
        item = entry_item(index, entry)
        if not is_bundle(item.resource):
            yield item
            index += 1
        elif depth >= NESTED_BUNDLES:
            yield Item(index, None, fault="bundles are nested too deeply")
            index += 1
        else:
            for inner in entries(item.resource or {}, index, depth + 1):
                yield inner
                index = inner.index + 1
