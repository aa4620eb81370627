"""Answer to an AdmissionReview: the patch that adds the agent to a pod, or why the pod is refused."""

import base64
import json
from typing import Any

from local.injector.annotations import INJECTED, STATUS, AnnotationError, parse, wanted
from local.injector.mutation import Injector

Json = dict[str, Any]


def answer(injector: Injector, review: Json) -> Json:
    """Return the AdmissionReview with the response to a request.

    Raises
    ------
    KeyError, TypeError
        If it is not an AdmissionReview of a pod.
    """
    request = review["request"]
    response: Json = {"uid": request["uid"], "allowed": True}
    pod = request["object"]
    annotations = pod["metadata"].get("annotations") or {}
    try:
        if wanted(annotations):
            spec = injector.inject(pod["spec"], parse(annotations))
            patch = [
                {"op": "replace", "path": "/spec", "value": spec},
                {"op": "add", "path": f"/metadata/annotations/{_pointer(STATUS)}", "value": INJECTED},
            ]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    except AnnotationError as error:
        response = {"uid": request["uid"], "allowed": False, "status": {"code": 422, "message": str(error)}}
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def _pointer(name: str) -> str:
    """Return a name as a segment of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
