"""The deprivation of an area: fifths by rank, from a table that is refused where it is wrong."""

import random
from pathlib import Path

import pytest

from model.curated.deprivation import read
from model.errors import UserError
from tests.support.model.group_records import ALIKE, VARIANTS, patient, taken


def test_areas_fall_into_fifths_by_rank(tmp_path: Path) -> None:
    chance = random.Random(5)
    for variant in range(VARIANTS):
        index = {
            f"{zip3:03d}": chance.randrange(30) / 3 for zip3 in chance.sample(range(1000), chance.randrange(5, 60))
        }
        file = tmp_path / f"{variant}.csv"
        file.write_text("\ufeffZIP3, Index\r\n" + "".join(f"{zip3},{value}\r\n" for zip3, value in index.items()))
        lower = {zip3: sum(other < value for other in index.values()) for zip3, value in index.items()}
        assert read(str(file)).part_of == {zip3: str(1 + 5 * below // len(index)) for zip3, below in lower.items()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("021,4\n", "must begin with the header"),
        ("", "must begin with the header"),
        ("zip3,index\n021,1\n", "has 1 areas, too few for 5 parts"),
        ("zip3,index\n21,4\n", "Line 2 .* no three-digit ZIP"),
        ("zip3,index\n02115,4\n", "Line 2 .* no three-digit ZIP"),
        ("zip3,index\n021,4\n021,5\n", "line 3 twice"),
        ("zip3,index\n021,PH\n", "Line 2 .* non-numeric index"),
        ("zip3,index\n021,nan\n", "Line 2 .* non-numeric index"),
        ("zip3,index\n021,4,7\n", "Line 2 .* must have two columns"),
        ("zip3;index\n021;4\n", "must begin with the header"),
    ],
)
def test_a_wrong_deprivation_table_is_one_sentence_and_publishes_nothing(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "adi.csv"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        taken(tmp_path, [patient("p")], deprivation=str(file))
    assert not (tmp_path / "out").exists()


def test_another_deprivation_table_makes_another_result(tmp_path: Path) -> None:
    people = [patient(f"p{n}", address=[{"state": "MA", "postalCode": "02115"}]) for n in range(ALIKE)]
    found = []
    for index in ("0", "99"):
        (tmp_path / "adi.csv").write_text(
            "zip3,index\n" + "".join(f"{n:03d},{n}\n" for n in range(50, 60)) + f"021,{index}\n"
        )
        done, rows, _ = taken(tmp_path, people, deprivation=str(tmp_path / "adi.csv"))
        assert done.changed
        found.append({row["deprivation"] for row in rows})
    assert found == [{"1"}, {"5"}]
