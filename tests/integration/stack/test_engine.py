"""The Pulumi engine with the embedded cluster: what an update waits for, failed and interrupted ones, a policy pack."""

import json
import re
import signal
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from local.paths import REPOSITORY, Home
from local.stack import waiting
from tests.integration.stack.plugin_stack import SECONDS, Json, Stack, own_stack

pytestmark = pytest.mark.integration


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with own_stack(tmp_path) as made:
        yield made


JOB = """
k8s.batch.v1.Job("job", metadata={{"name": "job", "namespace": here}},
    spec={{"backoff_limit": 0, "template": {{"spec": {{"restart_policy": "Never", "containers": [
        {{"name": "c", "image": "{image}", "image_pull_policy": "IfNotPresent",
          "command": ["python3", "-c", "{code}"]}}]}}}}}},
    opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="5s")))
"""


def test_a_job_that_cannot_start_names_the_reason(stack: Stack) -> None:
    stack.write(JOB.format(image="127.0.0.1:1/absent:1", code="pass"))
    said = stack.up(fails=True)
    assert "'job' timed out waiting to be Ready" in said
    assert "ErrImagePull" in said or "ImagePullBackOff" in said
    # What was made is known, so that it can be mended or removed.
    job = next(resource for resource in stack.resources() if resource["type"].endswith(":Job"))
    assert job["initErrors"]
    stack.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress")


def test_a_job_that_fails_names_its_exit_code(stack: Stack) -> None:
    lock = REPOSITORY / "build" / "images.json"
    if not lock.exists():
        pytest.skip("no image has been built on this machine")
    image = json.loads(lock.read_text())["workloads"]
    stack.write(JOB.format(image=image, code="raise SystemExit(3)"))
    said = stack.up(fails=True)
    assert "BackoffLimitExceeded" in said
    assert "completed with exit code 3" in said
    stack.write(JOB.format(image=image, code="print(1)"))
    assert stack.steps()["job"]["replaceReasons"] == ["spec.template.spec.containers[0].command[2]"]
    stack.up()
    stack.unchanged()


QUOTA_USED_UP = """
quota = k8s.core.v1.ResourceQuota("zone", metadata={"name": "zone", "namespace": here},
    spec={"hard": {"requests.cpu": "1m"}})
k8s.apps.v1.Deployment("web", metadata={"name": "web", "namespace": here},
    spec={"selector": {"match_labels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "127.0.0.1:1/absent:1",
            "resources": {"requests": {"cpu": "2m"}}}]}}},
    opts=pulumi.ResourceOptions(depends_on=[quota], custom_timeouts=pulumi.CustomTimeouts(create="20s")))
"""


def test_an_update_says_what_it_waits_for(home: Home, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 4)
    stack.write(QUOTA_USED_UP)
    said: list[str] = []

    def state() -> Json:
        found: Json = json.loads(stack.pulumi("stack", "export"))
        return found

    with waiting.explained(home, state, said.append) as warnings:
        stack.up(fails=True)
        at_the_end = warnings()
    about = re.escape(f"ReplicaSet {stack.namespace}/web-")
    refused = re.compile(rf"{about}\S+: FailedCreate: .* exceeded quota: zone, requested: requests.cpu=2m")
    assert len(said) == 1
    assert refused.search(said[0])
    assert [warned.reason for warned in at_the_end] == ["FailedCreate"]
    assert refused.search(str(at_the_end[-1]))


def _when(happened: Callable[[], bool]) -> None:
    """Return once something has happened."""
    retry(stop=stop_after_delay(60), wait=wait_fixed(0.2), retry=retry_if_result(lambda seen: not seen))(happened)()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_update_can_be_taken_up_again(stack: Stack, tmp_path: Path, how: signal.Signals) -> None:
    waits = """
    k8s.apps.v1.Deployment("web", metadata={{"name": "web", "namespace": here}},
        spec={{"replicas": {replicas}, "selector": {{"match_labels": {{"app": "web"}}}}, "template": {{
            "metadata": {{"labels": {{"app": "web"}}}},
            "spec": {{"containers": [{{"name": "c", "image": "127.0.0.1:1/absent:1"}}]}}}}}})
    """
    stack.write(waits.format(replicas=1))
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            stack.command("up", "--yes", "--skip-preview", "--suppress-progress"),
            cwd=stack.folder,
            env=stack.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _when(lambda: "Waiting for app ReplicaSet" in log.read_text())
    running.send_signal(how)
    running.wait(SECONDS)
    if how == signal.SIGINT:
        assert any(resource.get("initErrors") for resource in stack.resources())
    else:
        # A killed engine leaves its lock; Pulumi itself says how to lift it.
        stack.pulumi("cancel", "--yes")
    stack.write(waits.format(replicas=0))
    stack.up()
    stack.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress")


def test_a_fault_of_the_user_is_one_sentence(stack: Stack) -> None:
    stack.write('raise pulumi.RunError("hospital north is listed twice; remove one")')
    said = stack.pulumi("preview", "--suppress-progress", fails=True)
    assert "error: hospital north is listed twice; remove one" in said
    assert "Traceback" not in said
    assert "rpc error" not in said


def test_a_policy_pack_is_run(stack: Stack, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(
        textwrap.dedent("""
        from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

        def check(args, report):
            if args.resource_type == "kubernetes:core/v1:ConfigMap":
                report("no settings here")

        PolicyPack("pack", enforcement_level=EnforcementLevel.MANDATORY, policies=[
            ResourceValidationPolicy(name="no-settings", description="None.", validate=check)])
        """)
    )
    stack.write('k8s.core.v1.ConfigMap("settings", metadata={"name": "settings", "namespace": here}, data={})')
    said = stack.pulumi("preview", "--policy-pack", str(pack), "--suppress-progress", fails=True)
    assert "no settings here" in said
