"""Paths and capabilities of Vault policies, in HCL or JSON."""

import json
import re
from collections.abc import Iterator

from policy_pack.stack.values import View

_BLOCK = re.compile(r'path\s+"([^"]*)"\s*\{([^}]*)\}')
_LIST = re.compile(r"capabilities\s*=\s*\[([^\]]*)\]")
_TEXT = re.compile(r'"([^"]*)"')
_COMMENT = re.compile(r"(^|\s)#[^\n]*")


def paths(view: View) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the paths of a Vault policy (HCL or JSON) and what each allows."""
    text = view.text()
    if text.lstrip().startswith("{"):
        for path, rule in json.loads(text).get("path", {}).items():
            yield path, tuple(rule.get("capabilities", ()))
        return
    for path, body in _BLOCK.findall(_COMMENT.sub("", text)):
        listed = _LIST.search(body)
        yield path, tuple(_TEXT.findall(listed[1])) if listed else ()
