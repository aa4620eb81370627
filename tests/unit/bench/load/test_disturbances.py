from bench.load.disturbances import MemorySample, growth


def samples(pod: str, *mebibytes: float, start: float = 0) -> list[MemorySample]:
    return [MemorySample("care", pod, start + 30 * place, value) for place, value in enumerate(mebibytes)]


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    found = growth([*samples("flat", 300, 300, 300, 300, 300), *samples("leak", 300, 305, 310, 315, 320)], 0)
    assert found["care", "flat"][0] == 300
    assert abs(found["care", "flat"][1]) < 1e-9
    assert abs(found["care", "leak"][1] - 10) < 1e-9


def test_the_start_of_a_pod_does_not_count_and_one_that_lived_shortly_is_left_out() -> None:
    found = growth([*samples("care-a", 10, 100, 300, 300, 300, 300, start=60), *samples("care-b", 10, 20)], 60)
    assert list(found) == [("care", "care-a")]
    assert abs(found["care", "care-a"][1]) < 1e-9
