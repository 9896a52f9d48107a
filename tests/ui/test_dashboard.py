"""Page 1 as a person uses it: what each control changes, that it changes nothing else, and what errors leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest  # noqa: TID251
from streamlit.testing.v1.element_tree import Widget  # noqa: TID251

import gru_viz
from gru_viz.proof import Proof
from gru_viz.sequences import EXAMPLES
from gru_viz.ui.result_cache import result_cache

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Streamlit's own
]
PAGE = str(Path(__file__).parents[2] / "dashboard.py")
RANDOM = {"weights": "random"}
PROOF = ":green-badge[✓ matches "


class Dashboard:
    """The page, its widgets by key, and what it sends to the browser."""

    def __init__(self, **link: str) -> None:
        self.app = AppTest.from_file(PAGE, default_timeout=120)
        for name, value in link.items():
            self.app.query_params[name] = value
        self.run()

    def run(self) -> None:
        self.app.run()
        assert not self.app.exception, [each.value for each in self.app.exception]

    @property
    def widgets(self) -> dict[str, Widget]:
        def descend(block: Any) -> Iterator[Widget]:
            for child in getattr(block, "children", {}).values():
                if isinstance(child, Widget) and child.key and hasattr(child, "set_value"):
                    yield child
                yield from descend(child)

        found = [*descend(self.app.main), *descend(self.app.sidebar)]
        assert len({each.key for each in found}) == len(found)
        return {str(each.key): each for each in found}

    def values(self) -> dict[str, Any]:
        """What every control says."""
        return {key: widget.value for key, widget in self.widgets.items()}  # type: ignore[attr-defined]

    def press(self, **choices: Any) -> Dashboard:
        """Set controls one after the other, each followed by a run, as a person does."""
        for key, value in choices.items():
            self.widgets[key].set_value(value)
            self.run()
        return self

    @property
    def packed(self) -> bytes:
        (component,) = self.app.get("bidi_component")
        return bytes(component.proto.bytes)

    @property
    def header(self) -> dict[str, Any]:
        packed = self.packed
        size = int.from_bytes(packed[:4], "little")
        found: dict[str, Any] = json.loads(packed[4 : 4 + size])
        return found

    @property
    def maps(self) -> list[str]:
        return [each["name"] for each in self.header["figure"]["data"] if each["type"] == "heatmap"]

    @property
    def errors(self) -> list[str]:
        return [each.value for each in self.app.error]

    @property
    def proofs(self) -> int:
        return sum(each.value.count(PROOF) for each in self.app.markdown)


# --- the first visit ----------------------------------------------------------------------------------------------


def test_the_first_visit_shows_a_trained_gru_at_work() -> None:
    page = Dashboard()
    assert page.maps == ["reset gate r", "update gate z", "candidate n", "hidden state h"]
    assert page.values()["example"] == next(iter(EXAMPLES))
    assert page.values()["weights"] == "trained"
    assert page.errors == []
    assert page.proofs == 1
    assert page.header["steps"] == page.header["total"] == 120
    assert page.app.title[0].value.endswith("?")


def test_every_example_is_on_screen_with_its_proof() -> None:
    page = Dashboard()
    for name in EXAMPLES:
        page.press(example=name)
        assert page.errors == [], name
        assert page.proofs == 1, name
        assert page.header["total"] == EXAMPLES[name].load().lengths[0]
        trained = page.values().get("weights")
        assert trained == ("trained" if EXAMPLES[name].pretrained else None), name


@pytest.mark.parametrize(
    ("witness", "difference", "badge"),
    [
        ("torch.nn.GRU", 3e-7, ":green-badge[✓ matches PyTorch (max difference 3e-07)]"),
        (
            "the equations in float64",
            3e-7,
            ":green-badge[✓ matches an independent float64 evaluation (max difference 3e-07)]",
        ),
        ("torch.nn.GRU", 0.2, ":red-badge[✗ differs from PyTorch (max difference 2e-01)]"),
    ],
)
def test_the_badge_says_what_was_compared_and_whether_it_matches(
    monkeypatch: pytest.MonkeyPatch, witness: str, difference: float, badge: str
) -> None:
    result_cache().clear()
    monkeypatch.setattr("gru_viz.verification.prove", lambda runs, witnessed: Proof(difference, 3e-5, witness))
    (summary,) = [each for each in Dashboard().app.markdown if "-badge[" in each.value]
    result_cache().clear()
    assert summary.value.endswith(badge)
    assert f"differ from {witness} by at most {difference:.1e}; tolerance 3e-05." in summary.proto.help


# --- a control changes what it says, and nothing else -------------------------------------------------------------

Check = Callable[[dict[str, Any], dict[str, Any]], bool]


def another_picture(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return bool(before["picture"] != after["picture"])


def same_picture(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return not another_picture(before, after)


CONTROLS: list[tuple[dict[str, Any], str, Any, Check]] = [
    ({}, "weights", "random", another_picture),
    ({}, "example", "sine", another_picture),
    ({}, "order", "peak", another_picture),
    ({}, "backend", "torch", lambda before, after: before["formulas"][0]["lines"] == after["formulas"][0]["lines"]),
    ({}, "compare", "variants", lambda before, after: len(after["formulas"]) == 2),
    ({}, "source", "text", another_picture),
    ({}, "source", "table", another_picture),
    ({}, "source", "file", same_picture),
    (RANDOM, "seed", 5, another_picture),
    (RANDOM, "units", 7, lambda before, after: len(after["units"]) == 7),
    (RANDOM, "layers", 2, same_picture),  # the first layer is still the one on screen … and the same
    (RANDOM, "both_ways", True, lambda before, after: after["steps"] == before["steps"]),
    (RANDOM, "initialisation", "chrono", another_picture),
    (RANDOM, "precision", "float64", lambda before, after: before["units"] == after["units"]),
    (RANDOM, "variant", "d2l_equation", another_picture),
    (RANDOM, "variant", "chung_2014", another_picture),
    (RANDOM, "variant", "torch_lstm", lambda before, after: len(after["panels"]) == 6),
    (RANDOM, "variant", "torch_rnn", lambda before, after: len(after["panels"]) == 1),
    (RANDOM, "backend", "scratch", lambda before, after: before["panels"][0]["rows"] == after["panels"][0]["rows"]),
    (RANDOM | {"layers": 2}, "layer", 1, another_picture),
    (RANDOM | {"both_ways": True}, "direction", "backward", another_picture),
    ({"compare": "variants"}, "other_variant", "onnx", another_picture),
    ({"compare": "variants"}, "quantity", "update", another_picture),
]


@pytest.mark.parametrize(("setting", "key", "value", "check"), CONTROLS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_control_changes_nothing_but_what_it_says(
    setting: dict[str, Any], key: str, value: Any, check: Check
) -> None:
    page = Dashboard().press(**setting)
    before, old = page.values(), page.header
    assert before[key] != value
    page.press(**{key: value})
    after = page.values()
    assert after[key] == value
    names = {"sequence"} if key == "example" else set()  # other data has sequences of other names
    assert all(after[k] != before[k] for k in names)
    both = (before.keys() & after.keys()) - {key} - names
    assert {k: before[k] for k in both} == {k: after[k] for k in both}
    assert page.errors == []
    assert page.proofs == 1
    assert check(old, page.header)
    page.press(**{key: before[key]})
    assert page.values() == before, "and back again"
    assert page.header == old


def test_a_choice_survives_while_its_control_is_away() -> None:
    page = Dashboard().press(weights="random", units=9, seed=7, variant="d2l_code", precision="float64")
    before = page.header
    page.press(weights="trained")
    assert "units" not in page.values()
    page.press(weights="random")
    assert {k: page.values()[k] for k in ("units", "seed", "variant", "precision")} == {
        "units": 9,
        "seed": 7,
        "variant": "d2l_code",
        "precision": "float64",
    }
    assert page.header == before


@pytest.mark.parametrize(
    "choices",
    [{}, {"weights": "random", "seed": 11}, {"compare": "variants"}, {"source": "text"}, {"source": "table"},
     {"weights": "random", "variant": "torch_lstm", "layers": 2, "both_ways": True, "order": "similarity"}],
)  # fmt: skip
def test_the_same_choices_are_the_same_bytes(choices: dict[str, Any]) -> None:
    first = Dashboard().press(**choices).packed
    result_cache().clear()  # the second page computes everything again
    assert Dashboard().press(**choices).packed == first


def test_the_way_to_a_choice_does_not_matter() -> None:
    straight = Dashboard().press(weights="random", seed=3, units=8)
    detour = Dashboard().press(example="sine", weights="random", units=30, variant="torch_lstm", compare="variants")
    detour.press(compare="off", variant="torch", units=8, example="impulse", seed=3)
    assert detour.values() == straight.values()
    assert detour.packed == straight.packed


def test_a_cell_of_another_kind_can_come_and_go_while_comparing() -> None:
    page = Dashboard().press(weights="random", compare="variants", quantity="reset")
    for variant in ("torch_lstm", "torch_rnn", "chung_2014", "torch"):
        page.press(variant=variant)
        assert page.errors == [], variant
        assert page.proofs == 1


def test_every_variant_is_proven_on_screen() -> None:
    page = Dashboard().press(weights="random", units=4)
    for name in gru_viz.CONVENTIONS:
        page.press(variant=name)
        assert page.errors == []
        assert page.proofs == 1, name


def test_relabelled_variants_of_one_seed_show_the_same_states() -> None:
    page = Dashboard().press(weights="random")
    panels = page.header["panels"], page.header["figure"]["data"]
    page.press(variant="cudnn")
    assert (page.header["panels"], page.header["figure"]["data"]) == panels


def test_another_sequence_can_be_compared() -> None:
    page = Dashboard().press(source="table", table="who,v\n" + "".join(f"{w},{k}\n" for w in "ab" for k in range(6)))
    identity = next(key for key in page.values() if key.startswith("id_"))
    page.press(**{identity: "who"})
    page.press(compare="sequences")
    assert page.values()["other_sequence"] == "who b"
    assert page.maps[-1] == "difference"
    assert page.errors == []


def test_compared_with_itself_a_relabelling_shows_no_difference() -> None:
    page = Dashboard().press(compare="variants", other_variant="keras_reset_after")
    difference = next(each for each in page.header["figure"]["data"] if each["name"] == "difference")
    assert (difference["zmin"], difference["zmax"]) == (-0.01, 0.01)


# --- errors leave the page usable ---------------------------------------------------------------------------------


def test_a_variant_torch_has_not_is_refused_and_the_view_stays() -> None:
    page = Dashboard().press(weights="random", variant="chung_2014")
    old = page.packed
    page.press(backend="torch")
    assert len(page.errors) == 1
    assert "found" in page.errors[0]
    assert "wanted" in page.errors[0]
    assert "is unchanged" in page.errors[0]
    assert page.packed == old
    assert page.values()["backend"] == "torch", "the choice stays, so that it can be corrected"
    page.press(variant="torch")
    assert page.errors == []
    assert page.packed != old


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_reported_and_never_replaced_in_silence() -> None:
    page = Dashboard()
    old = page.packed
    page.press(device="cuda")
    assert len(page.errors) == 1
    assert "cuda" in page.errors[0].lower()
    assert page.packed == old
    page.press(device="cpu")
    assert page.errors == []


BAD_TABLES = ["", "a,b\n", "only,words\nx,y\nz,w\n", 'a,"b\n1,2\n', "\x00\x01\x02", "a\n\n\n"]


@pytest.mark.parametrize("bad", BAD_TABLES, ids=repr)
def test_a_table_that_cannot_be_read_leaves_the_previous_view(bad: str) -> None:
    page = Dashboard().press(source="table")
    old = page.packed
    assert page.header["steps"] == 10
    page.press(table=bad)
    assert len(page.errors) == 1
    assert all(word in page.errors[0] for word in ("found", "wanted", "is unchanged"))
    assert page.packed == old
    assert page.values()["table"] == bad
    page.press(table="a,b\n1,2\n3,5\n4,4\n")
    assert page.errors == []
    assert page.header["steps"] == 3


def test_a_table_without_a_chosen_feature_says_so() -> None:
    page = Dashboard().press(source="table")
    old = page.packed
    features = next(key for key in page.values() if key.startswith("features_"))
    page.press(**{features: []})
    assert len(page.errors) == 1
    assert page.packed == old


@pytest.mark.parametrize("text", ["hello", "x", "😀 <b>bold</b> $x$\nnew line", "aaaa"])
def test_typed_text_is_read_a_character_a_step(text: str) -> None:
    page = Dashboard().press(source="text", text=text)
    assert page.errors == []
    assert page.header["total"] == len(text)
    assert len(page.header["labels"]) == len(text)


def test_no_text_leaves_the_previous_view() -> None:
    page = Dashboard().press(source="text")
    old = page.packed
    page.press(text="")
    assert len(page.errors) == 1
    assert page.packed == old


def test_markup_in_a_column_name_stays_text() -> None:
    page = Dashboard().press(source="table", table="<img src=x onerror=alert(1)>,**b**\n1,2\n2,1\n3,5\n")
    assert page.errors == []
    drawn = json.dumps(page.header["figure"])
    assert "<img" not in drawn
    for each in (*page.app.markdown, *page.app.caption, *page.app.expander):
        text = each.label if hasattr(each, "label") and each.label else getattr(each, "value", "")
        assert "<img" not in text.replace("\\<img", ""), text


# --- files ----------------------------------------------------------------------------------------------------------

MESSY = Path(__file__).parents[1] / "sequences" / "messy"
EXPECTED = json.loads((MESSY / "expected.json").read_text(encoding="utf-8"))
PLAIN = {name: wanted for name, wanted in EXPECTED.items() if not wanted.get("asked") and (MESSY / name).exists()}


def test_every_messy_file_is_seen_or_refused_with_the_previous_view() -> None:
    """One page for all of them, so that none may leave it unusable for the next."""
    page = Dashboard().press(source="file")
    seen = refused = 0
    for name, wanted in PLAIN.items():
        before = page.packed
        page.widgets["file"].set_value((name, (MESSY / name).read_bytes(), "text/csv"))
        page.run()
        message = f"{name}: {page.errors}"
        assert page.proofs == 1, message
        if "error" in wanted:
            refused += 1
            assert len(page.errors) == 1, message
            assert all(word in page.errors[0] for word in ("found", "wanted", "is unchanged")), message
            assert page.packed == before, message
        else:
            seen += 1
            assert page.errors == [], message
            assert page.header["total"] == wanted["lengths"][0], message
    assert seen > 20
    assert refused > 8


def test_a_file_taken_away_leaves_the_view() -> None:
    page = Dashboard().press(source="file")
    page.widgets["file"].set_value(("a.csv", b"a,b\n1,2\n2,5\n3,1\n", "text/csv"))
    page.run()
    old = page.packed
    page.widgets["file"].set_value(None)
    page.run()
    assert page.packed == old
    assert page.errors == []


def test_a_file_s_own_columns_can_be_chosen() -> None:
    page = Dashboard().press(source="file")
    page.widgets["file"].set_value(("a.csv", b"a,b,c\n1,2,9\n2,5,7\n3,1,8\n", "text/csv"))
    page.run()
    features = next(key for key in page.values() if key.startswith("features_"))
    assert page.values()[features] == ["a", "b", "c"]
    page.press(**{features: ["b"]})
    assert [each["name"] for each in page.header["figure"]["data"] if each["type"] == "scatter"] == ["b"]
    assert page.errors == []


def test_one_of_two_tables_its_missing_values_a_scaler_and_windows_can_be_chosen() -> None:
    text = "t,a\n" + "".join(f"{n},{n}\n" for n in range(9)) + "\nt,b,c\n" + "".join(f"{n},{n},{7}\n" for n in range(8))
    page = Dashboard().press(source="table", table=text)
    assert page.header["total"] == 9

    def key(start: str) -> str:
        return next(each for each in page.values() if each.startswith(start) and each != "table")

    page.press(**{key("table_"): 1})
    assert page.header["total"] == 8
    page.press(**{key("missing_values_"): "7"})
    assert [each["name"] for each in page.header["figure"]["data"] if each["type"] == "scatter"] == ["b"]
    page.press(**{key("scale_"): "given"}).press(**{key("scaler_"): "feature,mean,std\nb,3,2\n"})
    assert page.errors == []
    shown = page.app.expander[[each.label for each in page.app.expander].index("Scaling parameters")]
    assert shown.dataframe[0].value.to_numpy().tolist() == [["b", 3.0, 2.0]]
    page.press(**{key("window_"): 4})
    assert (page.errors, page.header["total"]) == ([], 4)
    page.press(**{key("scaler_"): "feature,mean\nb,3\n"})
    assert len(page.errors) == 1
    page.press(table="a,b,x\n" + "".join(f"{unit},{step},{unit + step}\n" for unit in (1, 2) for step in range(4)))
    assert any("looks like an id" in each.value for each in page.app.info)


# --- a link ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "choices"),
    [
        ({"weights": "Random", "units": "9", "seed": "3"}, {"weights": "random", "units": 9, "seed": 3}),
        ({"weights": "Random", "variant": "Chung et al. 2014"}, {"weights": "random", "variant": "chung_2014"}),
        ({"example": EXAMPLES["sine"].title}, {"example": "sine"}),
        ({"source": "Text", "text": "to be or not"}, {"source": "text", "text": "to be or not"}),
        ({"source": "Table", "table": "a,b\n1,2\n2,1\n3,5\n"}, {"source": "table", "table": "a,b\n1,2\n2,1\n3,5\n"}),
        ({"compare": "Another variant"}, {"compare": "variants"}),
    ],
)
def test_a_link_brings_the_view_back(link: dict[str, str], choices: dict[str, Any]) -> None:
    linked, pressed = Dashboard(**link), Dashboard().press(**choices)
    shared = linked.values().keys() & pressed.values().keys()
    assert set(choices) <= shared
    assert {key: linked.values()[key] for key in choices} == choices
    assert linked.values() == pressed.values()
    assert linked.packed == pressed.packed


def test_a_link_carries_the_step_and_the_unit() -> None:
    header = Dashboard(step="57", unit="3").header
    assert (header["start"], header["unit"]) == (57, 2)


@pytest.mark.parametrize(
    "link",
    [{"units": "0"}, {"units": "99999999999"}, {"seed": "x"}, {"variant": "nonsense"}, {"order": "<b>"}, {"unit": "-3"},
     {"unit": "999"}, {"unit": "²"}, {"step": "1e3"}, {"step": "9" * 5000}, {"source": "nowhere"}, {"layer": "7"}],
    ids=lambda link: next(iter(link)),
)  # fmt: skip
def test_a_link_that_makes_no_sense_still_opens_the_page(link: dict[str, str]) -> None:
    page = Dashboard(weights="Random", **link)
    assert page.errors == []
    assert page.proofs == 1
    assert 0 <= page.header["unit"] < 16
