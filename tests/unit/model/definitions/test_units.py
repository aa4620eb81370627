"""The units' table against spellings and factors of sources of its own."""

import itertools
import random
import re
from collections.abc import Iterator
from fractions import Fraction

import pytest
import yaml

from model.definitions.features import definitions
from model.definitions.units import UNITS_FILE, Spellings, Substance, UnitTable, units
from model.deid.check_digits import mod10

VARIANTS = 50
MICRO = ("u", "µ", "μ", "mc")

# What laboratories and monitors write, and the UCUM code that it means. `~` is any micro sign, `&` a space.
SPELLINGS = {
    "mg/dL": "mg/dL MG/DL mg/dl mgs/dL mg/100mL milligram&per&deciliter milligrams&per&decilitre mg.dL-1 mg·dL⁻¹",
    "meq/L": "mEq/L meq/L MEQ/L mEq/l milliequivalents&per&liter mval/L",
    "%": "% percent {/100} Percent PERCENT pct",
    "10*3/uL": "K/~L k/~l 10*3/~L x10E3/~L x10(3)/mcL X10E3/UL x10^3/~L 10³/~L \u00d710³/~L "
    "thou/mm3 Thousand/~L THOUS/MCL K/mm3 K/cumm "
    "/nL nanoliter /nanoliter /nanoLiters G/L G/l Gpt/L "
    "10*9/L x10^9/L 10⁹/L 10&9/L 10E9/L 10*9.L-1 10*3{cells}/~L 10*3&cells/~L",
    "10*6/uL": "m/~L M/~L 10*6/~L /pL /picoliter T/L T/l Tpt/L 10*12/L \u00d710¹²/L x10E6/~L million/~L Mill/mm3 M/mm3",
    "/uL": "#/~L cells/~L {cells}/~L /~L cells&per&microliter /mm3 /cumm",
    "g/dL": "g/dL gm/dL G/DL gram&per&deciliter gms/dl g%",
    "g/L": "g/L g/l gm/L gram&per&liter grams&per&litre",
    "U/L": "IU/L U/L unit&per&liter u/l U/l iu/l [IU]/L units&per&liter",
    "fL": "fL fl FL femtoliter",
    "s": "s sec seconds SEC Secs",
    "ms": "milliseconds ms msec MS",
    "pg": "pg PG picogram picograms",
    "mm[Hg]": "mm&Hg mmHg mm[Hg] MMHG mm&hg millimeters&of&mercury",
    "mmol/L": "mmol/L mMol/L MMOL/L mmol/l millimole&per&liter mmol.L-1 mM",
    "umol/L": "~mol/L ~mol/l UMOL/L micromoles&per&liter",
    "/[HPF]": "#/hpf /hpf /HPF /[HPF]",
    "/[LPF]": "#/lpf /lpf /[LPF]",
    "ng/mL": "ng/mL NG/ML ~g/L ng/ml nanograms&per&milliliter",
    "ug/mL": "~g/mL ~g/ml UG/ML microgram&per&milliliter",
    "ug/dL": "~g/dL ~g/dl",
    "pg/mL": "pg/mL PG/ML pg/ml",
    "ng/dL": "ng/dL ng/dl",
    "u[IU]/mL": "uIU/mL µIU/mL mIU/L mIU/l u[IU]/mL m[IU]/L MIU/L mU/L",
    "m[IU]/mL": "mIU/mL m[IU]/mL mIU/ml",
    "mosm/kg": "mOsm/kg mosm/kg MOSM/KG mOsm/kg&H2O mosmol/kg",
    "{ratio}": "Ratio {ratio} 1 ratio RATIO",
    "mg/L": "mg/L mg/l MG/L",
    "mg/g": "mg/g mg/g{creat} mg/g&creat MG/G mg/g&creatinine",
    "mm/h": "mm/hr mm/h MM/HR mm/hour mm/1hr",
    "L/min": "L/min l/min L/minute LPM",
    "mg/mg": "mg/mg MG/MG",
    "mm": "millimeter mm millimetre",
    "/min": "/min breaths&per&minute {Breaths}/min {breaths}/min beats&per&minute {beats}/min "
    "bpm BPM beats/minute 1/min min-1 breaths/min",
    "[degF]": "degF [degF] °F DegF deg&F degrees&F ℉ F Fahrenheit",
    "Cel": "Cel °C ℃ degC deg&C Degrees&C ºC C CEL celsius",
    "[lb_av]": "lb [lb_av] lbs LBS pounds",
    "[oz_av]": "oz [oz_av] OZ ounces",
    "[in_i]": "in [in_i] inches IN inch",
    "kg": "kg KG kilograms kgs",
    "cm": "cm CM centimeters",
    "mL/min/{1.73_m2}": "mL/min/{1.73_m2} mL/min/1.73&m2 mL/min/1.73m2 ml/min/1.73m²",
    "kg/m2": "kg/m2 kg/m² kg/m^2 KG/M2",
}
NOT_UNDERSTOOD = (
    "log10 IU/mL", "log10 copies/mL", "log10 cop/mL", "log(10) IU/mL", "lg copies/mL", "log IU/L", "ng/mL FEU",
    "ng/mL{FEU}", "ug/mL FEU", "mg/L FEU", "ng/mL D-DU DDU", "units", "a", "yr", "years", "mo", "wk", "d", "Y",
    "MM/L", "S", "c", "f", "k", "mg/dL{Jane}", "mg/dL/h", "mg", "mmol", "mmol/d", "109/L", "103/uL", "{nominal}",
    "mg/dL mmol/L", "Quackenbush", "m" * 65, "", " ", "-", "N/A", "/", "//", "10*3", "u", "g/24h", "x", "{}",
)  # fmt: skip


def written(row: str) -> list[str]:
    """Return the spellings of a row, each with every micro sign."""
    listed = [one.replace("&", " ") for one in row.split()]
    return [one.replace("~", sign) for one in listed for sign in (MICRO if "~" in one else ("",))]


@pytest.mark.parametrize(("unit", "row"), SPELLINGS.items())
def test_every_spelling_means_its_unit(unit: str, row: str) -> None:
    chance = random.Random(unit)
    spellings = written(row)
    variants = spellings + [spaced(chance.choice(spellings), chance) for _ in range(VARIANTS)]
    assert {one: units().spellings.meaning(one) for one in variants} == dict.fromkeys(variants, unit)


def spaced(spelling: str, chance: random.Random) -> str:
    """Return a spelling with spaces around it, and around its slashes."""
    slash = chance.choice(("/", " / ", "/ "))
    return chance.choice(("", " ", "\t")) + spelling.replace("/", slash) + chance.choice(("", "  ", "\n", "."))


@pytest.mark.parametrize("spelling", NOT_UNDERSTOOD)
def test_what_cannot_be_converted_means_nothing(spelling: str) -> None:
    assert units().spellings.meaning(spelling) is None


def test_case_decides_only_where_it_must() -> None:
    meaning = units().spellings.meaning
    assert (meaning("G/L"), meaning("g/L")) == ("10*3/uL", "g/L")
    assert (meaning("mM"), meaning("mm")) == ("mmol/L", "mm")
    assert (meaning("K"), meaning("k")) == ("K", None)
    for name in units().table.units:
        assert meaning(name) == name
        assert meaning(name.upper()) in {name, None} or name.upper() in {"G/L", "G"}, name


POWERS = {"k": 3, "": 0, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}
BASES: dict[str, int | Fraction] = {
    "g": 1,
    "mol": 1,
    "eq": 1,
    "L": 1,
    "U": 1,
    "[IU]": 1,
    "m": 1,
    "s": 1,
    "min": 1,
    "kat": Fraction(60 * 10**6),
    "1": 1,
}
DEFINED = {
    "[lb_av]": 7000 * Fraction("0.06479891"),
    "[oz_av]": 7000 * Fraction("0.06479891") / 16,
    "[in_i]": Fraction("2.54") / 100,
    "[ft_i]": 12 * Fraction("2.54") / 100,
    "mm[Hg]": Fraction("101.325") / 760,
    "cm[H2O]": Fraction("9.80665") / 100,
    "kPa": Fraction(1),
    "%": Fraction(1, 100),
    "{ratio}": Fraction(1),
    "/min": Fraction(1),
}


def ucum(code: str) -> Fraction:
    """Return the size of a UCUM unit in grams, moles, litres, metres and seconds, from its prefixes."""
    if code in DEFINED:
        return DEFINED[code]
    over, _, under = code.partition("/")
    return atom(over) / atom(under)


def atom(code: str) -> Fraction:
    power = re.fullmatch(r"10\*(\d+)", code)
    if power or not code:
        return Fraction(10) ** int(power[1]) if power else Fraction(1)
    for prefix, base in itertools.product(POWERS, BASES):
        if prefix + base == code:
            return Fraction(10) ** POWERS[prefix] * BASES[base]
    raise KeyError(code)


def test_every_factor_is_that_of_the_prefixes() -> None:
    seen = 0
    for name, unit in units().table.units.items():
        if unit.of and unit.of != "temperature":
            assert float(unit.factor) == pytest.approx(float(ucum(name)), rel=1e-9), name
            seen += 1
    assert seen > 40
    assert {unit.largest for unit in units().table.units.values()} - {None}


WEIGHTS = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999}
MASSES = {
    "creatinine": 4 * WEIGHTS["C"] + 7 * WEIGHTS["H"] + 3 * WEIGHTS["N"] + WEIGHTS["O"],
    "glucose": 6 * WEIGHTS["C"] + 12 * WEIGHTS["H"] + 6 * WEIGHTS["O"],
    "hemoglobin": 64_458 / 4,
    "urea_nitrogen": 2 * WEIGHTS["N"],
}
CHARGES = {"sodium": 1, "potassium": 1}
MASS = ("g/dL", "g/L", "mg/dL", "mg/L", "ug/mL", "ug/dL", "ng/mL")
MOLES = ("mmol/L", "umol/L", "nmol/L", "mol/L")
COUNTS = ("10*3/uL", "10*6/uL", "/uL")


def recorded(lab: str, chance: random.Random) -> Iterator[tuple[str, float, float]]:
    """Give units, a number recorded in each, and the right number in the measurement's unit."""
    row = definitions().labs[lab]
    right = chance.uniform(row.low, row.high)
    if lab in MASSES or lab == "albumin":
        grams = right * float(ucum(row.unit))
        yield from ((unit, grams / float(ucum(unit)), right) for unit in MASS)
    if lab in MASSES:
        yield from ((unit, grams / MASSES[lab] / float(ucum(unit)), right) for unit in MOLES)
    elif lab in CHARGES:
        moles = right / 1000
        yield from ((unit, moles / float(ucum(unit)), right) for unit in MOLES)
        yield "meq/L", moles * CHARGES[lab] * 1000, right
    elif lab == "white_cells":
        yield from ((unit, right * 1e9 / float(ucum(unit)), right) for unit in COUNTS)
    elif lab == "temperature":
        yield from (("Cel", right, right), ("K", right + 273.15, right), ("[degF]", right * 9 / 5 + 32, right))
    elif row.unit == "mm[Hg]":
        yield from (("mm[Hg]", right, right), ("kPa", right * 101.325 / 760, right))
    elif row.unit == "%":
        yield from (("%", right, right), ("{ratio}", right / 100, right))
    elif row.unit == "/min":
        yield "/min", right, right


@pytest.mark.parametrize("lab", definitions().labs)
def test_a_number_is_the_same_in_every_unit(lab: str) -> None:
    chance = random.Random(lab)
    code, known = next(iter(definitions().labs[lab].conversions().items()))
    seen = 0
    for _ in range(VARIANTS):
        for unit, number, right in recorded(lab, chance):
            how = known[unit]
            assert (number - how.zero) * how.factor == pytest.approx(right, rel=1e-4), (code, unit)
            seen += 1
    assert seen >= VARIANTS


def test_equivalents_are_moles_by_charge() -> None:
    def factor(charge: int | None) -> float | None:
        ion = Substance(charge=charge)
        how = units().conversions("mmol/L", recorded=ion, reported=ion).get("meq/L")
        return how and how.factor

    assert [factor(charge) for charge in (1, 2, 3)] == pytest.approx([1, 1 / 2, 1 / 3])
    assert factor(None) is None
    calcium = Substance(charge=2, molar_mass="40.078")
    known = units().conversions("mg/dL", recorded=calcium, reported=calcium)
    assert known["meq/L"].factor == pytest.approx(2.0039)
    assert known["mmol/L"].factor == pytest.approx(4.0078)


def test_quantities_do_not_mix() -> None:
    sodium = definitions().labs["sodium"].conversions()["2951-2"]
    assert set(sodium) == {"mol/L", "mmol/L", "umol/L", "nmol/L", "pmol/L", "meq/L"}
    assert "mmol/L" not in definitions().labs["albumin"].conversions()["1751-7"]
    assert "mL/min" not in definitions().labs["heart_rate"].conversions()["8867-4"]


def test_the_table_has_no_unit_of_age_and_real_codes() -> None:
    for spelling in ("a", "mo", "wk", "d", "h", "min", "year", "years", "month", "weeks", "days", "hour", "minutes"):
        assert units().spellings.meaning(spelling) is None
    assert all(mod10(code) for code in units().unit_without)


def test_one_spelling_of_two_units_is_refused() -> None:
    rows = yaml.safe_load(UNITS_FILE.read_text())
    rows["units"]["mg/L"]["also"] = ["mg%"]
    with pytest.raises(ValueError, match="gives mg% to mg/dL and mg/L"):
        Spellings(UnitTable.model_validate(rows))
    rows["without_unit"] = {"furlong": ["6301-6"]}
    with pytest.raises(ValueError, match="without_unit names furlong"):
        UnitTable.model_validate(rows)
