"""The documented annotations, their defaults, and what is refused."""

import pytest

from local.injector.annotations import AnnotationError, SecretFile, parse, wanted

BASE = {"agent-inject": "true", "role": "north-planner"}


def annotations(**more: str) -> dict[str, str]:
    return {f"vault.hashicorp.com/{name}": value for name, value in (BASE | more).items()}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, False),
        ({"agent-inject": "true"}, True),
        ({"agent-inject": "false"}, False),
        ({"agent-inject": "true", "agent-inject-status": "injected"}, False),
        ({"agent-inject": "true", "agent-inject-status": "other"}, True),
        ({"agent-inject-secret-a": "x"}, False),
    ],
)
def test_an_agent_is_wanted_once(values: dict[str, str], expected: bool) -> None:
    assert wanted({f"vault.hashicorp.com/{name}": value for name, value in values.items()}) is expected


def test_the_defaults_are_those_of_the_documentation() -> None:
    request = parse(annotations())
    assert (request.auth_path, request.user, request.group) == ("auth/kubernetes", 100, 1000)
    assert (request.init, request.sidecar, request.init_first) == (True, True, False)
    assert request.exit_on_retry_failure
    assert request.resources == {
        "limits": {"cpu": "500m", "memory": "128Mi"},
        "requests": {"cpu": "250m", "memory": "64Mi"},
    }


@pytest.mark.parametrize(
    ("values", "init", "sidecar"),
    [
        ({"agent-pre-populate-only": "true"}, True, False),
        ({"agent-pre-populate-only": "true", "agent-pre-populate": "false"}, True, False),
        ({"agent-pre-populate": "false"}, False, True),
        ({}, True, True),
    ],
)
def test_which_containers_are_added(values: dict[str, str], init: bool, sidecar: bool) -> None:
    request = parse(annotations(**values))
    assert (request.init, request.sidecar) == (init, sidecar)


def test_an_empty_amount_removes_the_limit() -> None:
    request = parse(annotations(**{"agent-limits-cpu": "", "agent-requests-mem": "32Mi"}))
    assert request.resources == {"limits": {"memory": "128Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}


def test_files_have_the_name_of_their_secret_or_of_their_annotation() -> None:
    request = parse(
        annotations(
            **{
                "agent-inject-secret-Login": "north/kv/data/login",
                "agent-inject-secret-tls-key": "north/workload-pki/issue/planner",
                "agent-inject-file-tls-key": "tls.key",
                "agent-inject-template-tls-key": "{{ text }}",
                "agent-inject-perms-tls-key": "0400",
            }
        )
    )
    login, key = request.files
    assert key == SecretFile("tls.key", "{{ text }}", "0400")
    assert login.name == "login"
    assert login.template == (
        '{{ with secret "north/kv/data/login" }}{{ range $k, $v := .Data }}{{ $k }}: {{ $v }}\n{{ end }}{{ end }}'
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"agent-image": "elsewhere/agent"}, "agent-image is not supported"),
        ({"agent-inject-command-a": "sh"}, "agent-inject-command-a is not supported"),
        ({"agent-configmap": "x"}, "agent-configmap is not supported"),
        ({"tls-skip-verify": "true"}, "tls-skip-verify is not supported"),
        ({"role": ""}, "role is missing"),
        ({"agent-pre-populate-only": "yes"}, "neither true nor false"),
        ({"agent-run-as-user": "-1"}, "not a number"),
        ({"agent-inject-template-a": "x"}, "has no vault.hashicorp.com/agent-inject-secret-a"),
        ({"agent-inject-secret-a": "p", "agent-inject-file-a": "../a"}, "not a file name"),
        ({"agent-inject-secret-a": "p", "agent-inject-file-a": ".hidden"}, "not a file name"),
        ({"agent-inject-secret-a": "p", "agent-inject-perms-a": "rw"}, "not a file mode"),
        ({"agent-inject-secret-a": ""}, "names no path"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(values: dict[str, str], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        parse(annotations(**values))
