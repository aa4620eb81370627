from pathlib import Path

import pytest

from bench.load.processor_time import OTHERS, SENDER, Meter, Usage


def group(root: Path, hierarchy: str, uid: str) -> Path:
    folder = root / hierarchy / "hmlops" / "kubepods" / "burstable" / f"pod{uid}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def used(root: Path, uid: str, nanoseconds: int, throttled: int) -> None:
    (group(root, "cpuacct", uid) / "cpuacct.usage").write_text(f"{nanoseconds}\n")
    container = group(root, "cpu", uid) / "container"
    container.mkdir(exist_ok=True)
    (container / "cpu.stat").write_text(f"nr_periods 3\nnr_throttled 1\nthrottled_time {throttled}\n")
    # The pod's own group counts what its containers count.
    (container.parent / "cpu.stat").write_text(f"throttled_time {throttled}\n")


def meter(root: Path, *uids: str) -> Meter:
    return Meter({"planning": uids}, {"PostgreSQL": list}, lambda: 4, root)


def test_a_workload_uses_what_its_pods_use(tmp_path: Path) -> None:
    used(tmp_path, "a", 5_000_000, 2_000_000)
    used(tmp_path, "b", 1_000_000, 0)
    found = meter(tmp_path, "a", "b").read()
    assert (found.processor["planning"], found.throttled["planning"], found.syncs) == (6, 2, 4)
    assert found.processor["PostgreSQL"] == 0
    assert found.processor[SENDER] > 0
    assert OTHERS in found.processor


def test_a_pod_of_another_machine_is_named_as_such(tmp_path: Path) -> None:
    used(tmp_path, "a", 1, 0)
    with pytest.raises(FileNotFoundError, match="run on the cluster's node"):
        meter(tmp_path, "a", "b").read()


def test_use_is_what_is_beyond_the_use_before_and_when_idle_by_request() -> None:
    before, after = Usage({"a": 10.0}, {"a": 1.0}, 3), Usage({"a": 30.0, "b": 4.0}, {"a": 5.0}, 23)
    idle = Usage({"a": 0.5}, {}, 0)
    assert after.less(before).less(idle.times(8)).each(4) == Usage({"a": 4.0, "b": 1.0}, {"a": 1.0}, 5)
    assert (Usage({"a": 1.0}) + Usage({"b": 2.0})).processor == {"a": 1, "b": 2}
