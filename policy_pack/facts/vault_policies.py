"""Vault policies: their paths and capabilities, from HCL or JSON."""

import json
import re
from collections.abc import Iterator

from policy_pack.stack.values import View

_BLOCK = re.compile(r'path\s+"([^"]*)"\s*\{([^}]*)\}')
_CAPABILITIES = re.compile(r"capabilities\s*=\s*\[([^\]]*)\]")
_TEXT = re.compile(r'"([^"]*)"')
_COMMENT = re.compile(r"(^|\s)#[^\n]*")


def policy_paths(view: View) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the paths of a Vault policy with their capabilities."""
    text = view.text()
    if text.lstrip().startswith("{"):
        for path, rule in json.loads(text).get("path", {}).items():
            yield path, tuple(rule.get("capabilities", ()))
        return
    for path, body in _BLOCK.findall(_COMMENT.sub("", text)):
        capabilities = _CAPABILITIES.search(body)
        yield path, tuple(_TEXT.findall(capabilities[1])) if capabilities else ()
