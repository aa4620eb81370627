"""Bundle entries: resources, deletions, unsupported changes, or nothing to ingest."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from model.fhir.conditional import condition_of, searched
from model.io.json_elements import Resource, elements

NESTED_BUNDLES = 4
"""A Bundle inside a Bundle (the answer to a batch of searches) is followed so far down."""
URN = "urn:uuid:"

_INSTANCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_TYPE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)(?:[/?].*)?", re.DOTALL)


@dataclass(frozen=True)
class Item:
    """A Bundle entry: its resource, or the reason why it could not be read."""

    index: int
    resource: Resource | None
    full_url: str | None = None
    fault: str | None = None
    deleted: tuple[str, str] | None = None
    """Type and id of what the entry deletes."""
    deleted_at: str | None = None
    needless: bool = False
    """The entry asks or answers something and brings no resource."""
    conditional: str | None = None
    """HTTP method of a conditional create, update or delete (POST, PUT, DELETE); the id is derived from the search."""
    own_id: str | None = None
    """The id that the resource of a conditional request carried itself; only its own bundle knows it by that."""
    patched: str | None = None
    """Type of the resource that the entry changes by a PATCH."""
    outcome: Resource | None = None
    """OperationOutcome of a response without a resource."""

    @property
    def conditional_reason(self) -> str:
        """Why the resource of a conditional request is excluded when it is unclear which one is meant."""
        return {"POST": "conditional-create", "PUT": "conditional-update"}.get(self.conditional or "", "conditional")


@dataclass(frozen=True)
class Page:
    """One page of a search or history: hashes of its own address and of the next page's."""

    itself: int | None
    following: int | None


def entry_item(index: int, entry: object) -> Item:
    """Return what one entry brings."""
    if not isinstance(entry, dict):
        return Item(index, None, fault="the bundle's entry is not an object")
    resource, request, response = entry.get("resource"), entry.get("request"), entry.get("response")
    request = request if isinstance(request, dict) else {}
    method = request.get("method")
    if method == "DELETE":
        return _deletion(index, request.get("url"), response)
    if method == "PATCH":
        named = _TYPE.fullmatch(str(request.get("url")))
        return Item(index, None, patched=named[1] if named else "Resource")
    if isinstance(resource, dict):
        full_url = entry.get("fullUrl")
        return _brought(index, resource, full_url if isinstance(full_url, str) else None, request)
    if resource is None and (method in {"GET", "HEAD"} or isinstance(response, dict)):
        outcome = response.get("outcome") if isinstance(response, dict) else None
        return Item(index, None, needless=True, outcome=outcome if isinstance(outcome, dict) else None)
    return Item(index, None, fault="the bundle's entry holds no resource")


def _brought(index: int, resource: Resource, full_url: str | None, request: Resource) -> Item:
    query = _condition(resource, request)
    if query is None:
        return Item(index, _named(resource, full_url), full_url)
    kind, own = str(resource.get("resourceType")), resource.get("id")
    named = resource | {"id": searched(kind, query)}
    return Item(
        index, named, full_url, conditional=request["method"], own_id=own if isinstance(own, str) else None
    )  # fmt: skip


def _condition(resource: Resource, request: Resource) -> str | None:
    """Return the search by which a server finds the resource that a request is about."""
    if request.get("method") == "POST":
        query = request.get("ifNoneExist")
        return query if isinstance(query, str) and query.strip() else None
    condition = condition_of(request.get("url")) if request.get("method") == "PUT" else None
    return condition[1] if condition is not None and condition[0] == resource.get("resourceType") else None


def _deletion(index: int, url: object, response: object) -> Item:
    at = response.get("lastModified") if isinstance(response, dict) else None
    at = at if isinstance(at, str) else None
    condition = condition_of(url)
    if condition is not None:
        gone = (condition[0], searched(*condition))
        return Item(index, None, deleted=gone, deleted_at=at, conditional="DELETE")
    instance = _INSTANCE.fullmatch(url) if isinstance(url, str) else None
    if instance is None:
        return Item(index, None, fault="the bundle's entry deletes by something else than type and id")
    return Item(index, None, deleted=(instance[1], instance[2]), deleted_at=at)


def _named(resource: Resource, full_url: str | None) -> Resource:
    """Return the resource with an id: one that is yet to be created is known by its temporary one."""
    if "id" not in resource and full_url is not None and full_url.startswith(URN):
        return resource | {"id": full_url.removeprefix(URN)}
    return resource


def is_bundle(value: object) -> bool:
    """Return whether a value is a Bundle."""
    return isinstance(value, dict) and value.get("resourceType") == "Bundle"


def newest_first(bundle: Resource) -> bool:
    """Return whether the entries go back in time, as those of a history do."""
    return bundle.get("type") == "history"


def entries(bundle: Resource, first: int = 0, depth: int = 0) -> Iterator[Item]:
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


def pages(bundle: Resource, depth: int = 0) -> Iterator[Page]:
    """Give the pages that a Bundle and the Bundles inside it are, where they name a next one or themselves."""
    named = {str(one.get("relation")): one.get("url") for one in elements(bundle.get("link"))}
    page = Page(_address(named.get("self")), _address(named.get("next")))
    if page != Page(None, None):
        yield page
    for entry in elements(bundle.get("entry")) if depth < NESTED_BUNDLES else ():
        inner = entry.get("resource")
        if isinstance(inner, dict) and is_bundle(inner):
            yield from pages(inner, depth + 1)


def _address(url: object) -> int | None:
    """Return the hash of a page's address: path and query, for a proxy may give the server another name."""
    if not isinstance(url, str) or not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return hash(url)
    return hash((parts.path.rstrip("/").rpartition("/")[2], parts.query))
