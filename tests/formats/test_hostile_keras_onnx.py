"""Hostile Keras and ONNX files: each is refused with the reason, nothing in it is run, and it costs little memory."""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings, strategies as st
from onnx import NodeProto, TensorProto, helper, numpy_helper

from gru_viz import FormatError, random_weights, read_model
from gru_viz.formats import Limits, keras_h5, write_model

HERE = Path(__file__).parent
CANARY = "canary"
MOST_GROWN = 400 << 10
"""KiB: what a few MB of file may cost, far below what the files claim."""
READER = f"subprocess.Popen ({sys.executable!r}, [{sys.executable!r}, '-P',"
"""The process of gru_viz in which HDF5 is read."""
PIPE = re.compile(r"open \(\d+,")
KINDS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {}


def kind(*words: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def add(make: Callable[[], bytes]) -> Callable[[], bytes]:
        KINDS[make.__name__.replace("_", " ")] = (make, words)
        return make

    return add


# --- Keras ------------------------------------------------------------------------------------------------------

GOOD = write_model(random_weights("keras_reset_after", features=3, hidden=4, layers=2), "Keras")


def archive(
    config: Callable[[dict[str, Any]], object] | bytes | None = None,
    numbers: Callable[[h5py.File], object] | bytes | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """A good file with its configuration or its numbers changed."""
    with zipfile.ZipFile(io.BytesIO(GOOD)) as good:
        parts = {name: good.read(name) for name in good.namelist()}
    if isinstance(config, bytes):
        parts["config.json"] = config
    elif config is not None:
        described = json.loads(parts["config.json"])
        config(described)
        parts["config.json"] = json.dumps(described).encode()
    if isinstance(numbers, bytes):
        parts["model.weights.h5"] = numbers
    elif numbers is not None:
        parts["model.weights.h5"] = hdf5(numbers, parts["model.weights.h5"])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as bad:
        for name, data in parts.items():
            bad.writestr(name, data)
    return file.getvalue()


def hdf5(change: Callable[[h5py.File], object], start: bytes = b"") -> bytes:
    file = io.BytesIO(start)
    with h5py.File(file, "a" if start else "w") as opened:
        change(opened)
    return file.getvalue()


def gru(config: dict[str, Any], k: int = 1) -> dict[str, Any]:
    return dict(config["config"]["layers"][k])


def changed(**options: Any) -> bytes:
    def change(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"][1:]:
            layer["config"] |= options

    return archive(change)


def code() -> str:
    compiled = compile(f"__import__('os').system('touch {CANARY}')", "x", "eval")
    return base64.b64encode(marshal.dumps(compiled)).decode()


KERNEL = "layers/gru/cell/vars/0"


def swapped(make: Callable[[h5py.File, str], object]) -> bytes:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        make(file, KERNEL)

    return archive(numbers=change)


@kind("a Python function", "not run")
def an_activation_that_is_code() -> bytes:
    return changed(activation={"class_name": "__lambda__", "config": {"value": code()}})


@kind("a link to another file")
def an_external_link() -> bytes:
    return swapped(lambda file, name: file.__setitem__(name, h5py.ExternalLink("/etc/passwd", "/x")))


@kind("a soft link")
def a_soft_link_to_itself() -> bytes:
    return swapped(lambda file, name: file.__setitem__(name, h5py.SoftLink(f"/{name}")))


@kind("a second link to the same object")
def a_group_within_itself() -> bytes:
    return archive(numbers=lambda file: file["layers"].__setitem__("again", file["layers"]))


@kind("another file")
def numbers_in_another_file() -> bytes:
    return swapped(
        lambda file, name: file.create_dataset(name, (3, 12), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
    )


@kind("a virtual array")
def a_virtual_array() -> bytes:
    layout = h5py.VirtualLayout((3, 12), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 12))
    return swapped(lambda file, name: file.create_virtual_dataset(name, layout))


@kind("claim", "bytes")
def a_huge_array_in_a_small_file() -> bytes:
    return swapped(lambda file, name: file.create_dataset(name, (1 << 20, 1 << 20), "f4", chunks=(64, 64)))


@kind("claims", "stored for it")
def an_array_that_was_never_written() -> bytes:
    return swapped(lambda file, name: file.create_dataset(name, (3, 12), "f4"))


@kind("claim", "bytes")
def one_chunk_larger_than_the_file() -> bytes:
    return swapped(
        lambda file, name: file.create_dataset(name, (3, 12), "f4", chunks=(1 << 14, 1 << 14), maxshape=(None, None))
    )


@kind("compressed")
def a_gzip_bomb_of_zeros() -> bytes:
    zeros = np.zeros((3, 1 << 20), "f4")
    return swapped(lambda file, name: file.create_dataset(name, data=zeros, compression="gzip", compression_opts=9))


@kind("references or text")
def references_for_numbers() -> bytes:
    return swapped(lambda file, name: file.create_dataset(name, data=[file["layers"].ref], dtype=h5py.ref_dtype))


@kind("references or text")
def text_for_numbers() -> bytes:
    return swapped(lambda file, name: file.create_dataset(name, data=["evil"], dtype=h5py.string_dtype()))


@kind("no arrays")
def whole_numbers_for_numbers() -> bytes:
    def change(file: h5py.File) -> None:
        for k in range(2):
            for place in (f"layers/gru{f'_{k}' * (k > 0)}/cell/vars/{n}" for n in range(3)):
                array = np.ones(file[place].shape, "i8")
                del file[place]
                file[place] = array

    return archive(numbers=change)


@kind("groups nested too deeply")
def groups_without_end() -> bytes:
    return hdf5(lambda file: file.create_group("/".join("g" * 500)))


@kind("damaged or truncated")
def a_truncated_hdf5() -> bytes:
    return hdf5(lambda file: file.create_dataset("a", data=np.ones((100, 100))))[:2000]


@kind("damaged or truncated")
def only_the_mark_of_hdf5() -> bytes:
    return b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 4


@kind("an entry of", "compressed to")
def a_zip_bomb() -> bytes:
    return archive(config=b" " * (1 << 28), compression=zipfile.ZIP_DEFLATED)


@kind("unusual compression")
def an_archive_in_lzma() -> bytes:
    return archive(compression=zipfile.ZIP_LZMA)


@kind("not JSON")
def a_configuration_that_is_no_json() -> bytes:
    return archive(config=b"{'class_name': __import__('os')}")


@kind("not JSON")
def a_configuration_nested_too_deep() -> bytes:
    return archive(config=b'{"a":' * 50_000 + b"1" + b"}" * 50_000)


@kind("not a JSON object")
def a_configuration_that_is_a_number() -> bytes:
    return archive(config=b"1")


@kind("models nested too deeply")
def models_within_models() -> bytes:
    deep: dict[str, Any] = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
    for _ in range(100):
        deep = {"class_name": "Sequential", "config": {"name": "m", "layers": [deep]}}
    return archive(config=json.dumps(deep).encode())


@kind("damaged", "list of layers")
def layers_that_are_no_list() -> bytes:
    return archive(lambda config: config["config"].__setitem__("layers", {"a": 1}))


@kind("damaged", "its configuration is incomplete")
def layers_without_a_configuration() -> bytes:
    return archive(lambda config: gru(config) and config["config"]["layers"][1].__setitem__("config", None))


@kind("config.json and model.weights.h5")
def an_archive_without_numbers() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("config.json", "{}")
        made.writestr("model_00000.weights.h5", b"")
    return file.getvalue()


@kind("'swish'", "sigmoid")
def another_gate_function() -> bytes:
    return changed(recurrent_activation="swish")


@kind("custom")
def an_impostor_called_gru() -> bytes:
    def change(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"][1:]:
            layer |= {"module": "evil", "registered_name": "evil>GRU"}

    return archive(change)


@kind("4 units", "7")
def units_that_are_others() -> bytes:
    return changed(units=7)


@kind("shape", "bias")
def a_bias_of_another_reset() -> bytes:
    return changed(reset_after=False)


@kind("no arrays")
def a_layer_without_numbers() -> bytes:
    return archive(numbers=hdf5(lambda file: file.create_group("layers")))


@kind("no recurrent layer")
def a_network_without_recurrence() -> bytes:
    return hdf5(lambda file: [file.create_dataset(f"layers/dense/vars/{k}", data=np.ones((3, 3)[k:])) for k in (0, 1)])


# --- ONNX -------------------------------------------------------------------------------------------------------


def graph(nodes: list[NodeProto], tensors: list[TensorProto]) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["t", "b", 3])
    made = helper.make_graph(nodes, "g", [x], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors)
    data: bytes = helper.make_model(made, opset_imports=[helper.make_opsetid("", 14)]).SerializeToString()
    return data


def constants(kind: str = "GRU", **others: np.ndarray | TensorProto | None) -> list[TensorProto]:
    rows = {"GRU": 3, "LSTM": 4, "RNN": 1}[kind] * 4
    shapes = {"W": (1, rows, 3), "R": (1, rows, 4), "B": (1, 2 * rows)}
    arrays: dict[str, Any] = {name: np.ones(shape, "f4") for name, shape in shapes.items()}
    return [
        each if isinstance(each, TensorProto) else numpy_helper.from_array(each, name)
        for name, each in (arrays | others).items()
        if each is not None
    ]


def node(kind: str = "GRU", inputs: tuple[str, ...] = ("x", "W", "R", "B"), **given: Any) -> NodeProto:
    return helper.make_node(kind, inputs, ["y"], **given)


def claims(*dims: int, raw: bytes = b"\0" * 16, type: int = TensorProto.FLOAT) -> TensorProto:
    return TensorProto(name="W", dims=dims, data_type=type, raw_data=raw)


@kind("in another file", "not opened")
def numbers_outside() -> bytes:
    tensor = TensorProto(name="W", dims=[1, 12, 3], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    return graph([node()], constants(W=tensor))


@kind("in another file")
def numbers_outside_in_a_branch() -> bytes:
    tensor = TensorProto(name="c", dims=[1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    branch = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "b", [], [])
    return graph([node(), helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch)], constants())


@kind("arrays of")
def a_shape_of_terabytes() -> bytes:
    return graph([node()], constants(W=claims(1 << 20, 1 << 20, 3)))


@kind("bytes for the shape", "which takes")
def a_shape_beyond_its_bytes() -> bytes:
    return graph([node()], constants(W=claims(1, 12, 3)))


@kind("the shape", "0 or more")
def a_negative_shape() -> bytes:
    return graph([node()], constants(W=claims(1, -12, -3)))


@kind("arrays of", "at most")
def a_concat_that_doubles_for_ever() -> bytes:
    doubling = [helper.make_node("Concat", [f"c{k}", f"c{k}"], [f"c{k + 1}"], axis=0) for k in range(60)]
    start = numpy_helper.from_array(np.ones((1, 12, 3), "f4"), "c0")
    return graph([*doubling, node(inputs=("x", "c60", "R", "B"))], [*constants(), start])


@kind("known only when the model runs")
def matrices_that_feed_each_other() -> bytes:
    circle = [helper.make_node("Identity", [f"c{(k + 1) % 3}"], [f"c{k}"]) for k in range(3)]
    return graph([*circle, node(inputs=("x", "c0", "R", "B"))], constants())


@kind("known only when the model runs")
def a_chain_deeper_than_python() -> bytes:
    chain = [helper.make_node("Identity", [f"c{k}"], [f"c{k + 1}"]) for k in range(5000)]
    return graph([*chain, node(inputs=("x", "c5000", "R", "B"))], [*constants(), *constants()[:1]])


@kind("known only when the model runs")
def a_matrix_blown_up_by_expand() -> bytes:
    shape = numpy_helper.from_array(np.array([1, 1 << 30, 1 << 10]), "shape")
    one = numpy_helper.from_array(np.ones((1, 1, 1), "f4"), "one")
    blow = helper.make_node("Expand", ["one", "shape"], ["big"])
    return graph([blow, node(inputs=("x", "big", "R", "B"))], [*constants(), one, shape])


@kind("known only when the model runs")
def a_matrix_given_at_run_time() -> bytes:
    return graph([node(inputs=("x", "x", "R", "B"))], constants())


@kind("quantised")
def quantised_matrices() -> bytes:
    small = [numpy_helper.from_array(np.ones((1, 12, 3), "i1"), "q"), numpy_helper.from_array(np.float32(1), "s")]
    back = helper.make_node("DequantizeLinear", ["q", "s"], ["w"])
    return graph([back, node(inputs=("x", "w", "R", "B"))], [*constants(), *small])


@kind("DynamicQuantizeLSTM", "quantised")
def a_quantised_network() -> bytes:
    return graph([helper.make_node("DynamicQuantizeLSTM", ["x"], ["y"], domain="com.microsoft")], [])


@kind("evil.GRU", "not a standard node")
def an_impostor_node() -> bytes:
    return graph([helper.make_node("GRU", ["x", "W", "R", "B"], ["y"], domain="evil")], constants())


@kind("Elu", "Tanh")
def other_functions() -> bytes:
    return graph([node("RNN", activations=["Elu"])], constants("RNN"))


@kind("Relu", "HardSigmoid")
def another_gate_in_onnx() -> bytes:
    return graph([node(activations=["Relu", "Tanh"])], constants())


@kind("clip")
def a_clip() -> bytes:
    return graph([node(clip=3.0)], constants())


@kind("peepholes")
def peepholes() -> bytes:
    inputs = ("x", "W", "R", "B", "", "", "", "P")
    return graph([node("LSTM", inputs)], constants("LSTM", P=np.ones((1, 12), "f4")))


@kind("input_forget")
def coupled_gates() -> bytes:
    return graph([node("LSTM", input_forget=1)], constants("LSTM"))


@kind("direction 'sideways'")
def another_direction() -> bytes:
    return graph([node(direction="sideways")], constants())


@kind("1, 1 and 1 directions")
def one_direction_of_two() -> bytes:
    return graph([node(direction="bidirectional")], constants())


@kind("hidden_size 9")
def another_size() -> bytes:
    return graph([node(hidden_size=9)], constants())


@kind("shape (36,)", "three axes")
def a_flat_matrix() -> bytes:
    return graph([node()], constants(W=np.ones(36, "f4")))


@kind("shape", "R")
def matrices_that_disagree() -> bytes:
    return graph([node()], constants(R=np.ones((1, 12, 5), "f4")))


@kind("int64")
def matrices_of_whole_numbers() -> bytes:
    return graph([node()], constants(W=np.ones((1, 12, 3), "i8")))


@kind("known only when the model runs")
def a_matrix_of_text() -> bytes:
    return graph([node()], constants(W=helper.make_tensor("W", TensorProto.STRING, [1], [b"evil"])))


@kind("no W")
def a_node_without_matrices() -> bytes:
    return graph([node(inputs=("x",))], [])


@kind("damaged")
def attributes_of_the_wrong_kind() -> bytes:
    return graph([node(activations=3)], constants())


@kind("a graph of more than")
def a_million_empty_nodes() -> bytes:
    nodes = b"\x0a\x00" * 1_000_000
    size, length = len(nodes), b""
    while size:
        length += bytes([size & 127 | (128 if size > 127 else 0)])
        size >>= 7
    return b"\x08\x08\x12\x01x\x3a" + length + nodes


@kind("damaged")
def a_truncated_graph() -> bytes:
    return graph([node()], constants())[:-50]


@kind("no GRU, LSTM or RNN node")
def a_graph_without_recurrence() -> bytes:
    return graph([helper.make_node("Relu", ["x"], ["y"])], [])


@kind("damaged")
def a_fold_that_cannot_be() -> bytes:
    turn = helper.make_node("Transpose", ["W"], ["w"], perm=[5, 6, 7])
    return graph([turn, node(inputs=("x", "w", "R", "B"))], constants())


# --- what becomes of them ---------------------------------------------------------------------------------------

MEASURE = """
import sys
from pathlib import Path
from hostile import measure
from gru_viz.formats import onnx, keras, read_model
read_model(Path(sys.argv[2])), read_model(Path(sys.argv[3]))
measure.main(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each, all read by one process in a folder where code would leave its mark."""
    root = tmp_path_factory.mktemp("hostile")
    folder, home = root / "files", root / "home"
    folder.mkdir(), home.mkdir()
    for name, (make, _) in KINDS.items():
        (folder / name).write_bytes(make())
    (root / "good.keras").write_bytes(GOOD)
    (root / "good.onnx").write_bytes(write_model(random_weights("onnx", features=3, hidden=4), "ONNX"))
    (root / "script.py").write_text(MEASURE)
    path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent.parent)])
    run = subprocess.run(
        [sys.executable, *map(str, (root / "script.py", folder, root / "good.keras", root / "good.onnx"))],
        cwd=home,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert not list(home.iterdir())
    return dict(json.loads(run.stdout))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured by Linux's /proc")
@pytest.mark.parametrize("name", KINDS)
def test_it_is_refused_with_the_reason_nothing_is_run_and_little_is_allocated(name: str, outcomes: Any) -> None:
    refusal = outcomes[name]["refusal"]
    assert len(refusal) == 4, refusal
    assert all(refusal)
    assert refusal[0].startswith(name)
    message = " ".join(refusal)
    assert all(word in message for word in KINDS[name][1]), message
    assert len(message) < 1000
    assert [event for event in outcomes[name]["events"] if not event.startswith(READER) and not PIPE.match(event)] == []
    assert outcomes[name]["grown_kib"] < MOST_GROWN


WHOLE = {
    "Keras": GOOD,
    "h5": zipfile.ZipFile(io.BytesIO(GOOD)).read("model.weights.h5"),
    "ONNX": write_model(random_weights("onnx_linear_before_reset", features=3, hidden=4), "ONNX"),
}
SMALL = Limits(max_bytes=1 << 20, max_array_bytes=1 << 20, max_entries=1000)


PATCHES = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=6)), max_size=4)
CUT = st.one_of(st.none(), st.integers(0, 1 << 20))


def read_or_refused(data: bytes, patches: list[tuple[int, bytes]], cut: int | None) -> None:
    changed = bytearray(data)
    for at, patch in patches:
        at %= len(data)
        changed[at : at + len(patch)] = patch
    if cut is not None:
        del changed[cut % len(changed) :]
    try:
        read_model(bytes(changed), "any", SMALL)
    except FormatError as error:
        parts = error.where, error.found, error.wanted, error.remedy
        assert all(parts)


@settings(max_examples=100)
@given(PATCHES, CUT)
@example([], 1)
def test_any_bytes_of_onnx_are_read_or_refused(patches: list[tuple[int, bytes]], cut: int | None) -> None:
    read_or_refused(WHOLE["ONNX"], patches, cut)


@settings(max_examples=30)  # each starts a process
@given(st.sampled_from(["Keras", "h5"]), PATCHES, CUT)
def test_any_bytes_of_keras_are_read_or_refused(which: str, patches: list[tuple[int, bytes]], cut: int | None) -> None:
    read_or_refused(WHOLE[which], patches, cut)


ENDLESS = f"""
import io, runpy, sys
runpy.run_path({str(keras_h5.CHILD)!r})["main"](sys.argv[1:], io.BytesIO(b""), io.BytesIO())
while True: pass
"""
"""A program that limits itself as the one that reads does."""


@pytest.mark.parametrize(
    ("program", "patience", "reason"),
    [
        (ENDLESS, 100, "took more than 1 seconds"),
        ("import time; time.sleep(60)", 1, "took more than 1 seconds"),
        ("import os; os.abort()", 100, "exit code -6"),
        ("", 100, "exit code 0"),
    ],
    ids=["in circles", "asleep", "broken", "silent"],
)
def test_an_hdf5_library_that_goes_in_circles_or_breaks_down_is_left_behind(
    program: str, patience: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single changed bytes do send it in circles: its process is stopped, and this one goes on."""
    (tmp_path / "child.py").write_text(program)
    monkeypatch.setattr(keras_h5, "CHILD", tmp_path / "child.py")
    monkeypatch.setattr(keras_h5, "SECONDS", 1)
    monkeypatch.setattr(keras_h5, "PATIENCE", patience)
    with pytest.raises(FormatError, match="damaged or truncated") as caught:
        read_model(WHOLE["h5"], "any.h5")
    assert reason in caught.value.found


def test_more_groups_than_the_limit_are_refused() -> None:
    many = hdf5(lambda file: [file.create_group(f"{k % 7}/{k}") for k in range(1100)])
    with pytest.raises(FormatError, match="at most 1,000"):
        read_model(many, "any", SMALL)


def test_a_lambda_layer_is_named_and_the_networks_around_it_are_read(tmp_path: Path) -> None:
    layer = {"class_name": "Lambda", "config": {"name": "evil", "function": [code(), None, None]}}
    file = read_model(archive(lambda config: config["config"]["layers"].insert(2, layer)), "m.keras")
    below, above = file.models
    assert below.unapplied == ""
    assert above.unapplied == "evil (Lambda), which is code and was not run"
    assert not (Path.cwd() / CANARY).exists()


def test_the_good_files_are_read() -> None:
    assert [read_model(data, name).format for name, data in WHOLE.items()] == ["Keras", "Keras", "ONNX"]
    assert onnx.checker.check_model(onnx.load_from_string(WHOLE["ONNX"])) is None
