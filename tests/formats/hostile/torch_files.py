"""Files as torch.save writes them, that lie, break off or would run code."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import zipfile

import torch
from files import net, saved
from hostile.making import CANARY, Calls, evil, kind, legacy, state, with_pickle

# -- code --------------------------------------------------------------------------------------------------------


@kind("pickle that torch.save did not write", "no code was run")
def a_plain_pickle_that_runs_a_command() -> bytes:
    return pickle.dumps({"weight_ih_l0": evil()})


@kind("system", "no code was run")
def an_archive_that_runs_a_command() -> bytes:
    return saved({"state_dict": state(), "hook": evil()})


@kind("system", "no code was run")
def a_legacy_file_that_runs_a_command() -> bytes:
    return legacy({"state_dict": state(), "hook": evil()})


@kind("system", "no code was run")
def a_command_among_the_optimisers_states() -> bytes:
    return saved({"state_dict": state(), "optimizer_states": [evil()]})


@kind("builtins.eval", "no code was run")
def a_newer_pickle_that_evaluates_text() -> bytes:
    return with_pickle(pickle.dumps(Calls(eval, f"open({CANARY!r}, 'w').close()"), protocol=4))


@kind("exec", "no code was run")
def a_pickle_that_executes_text() -> bytes:
    return with_pickle(pickle.dumps(Calls(exec, f"open({CANARY!r}, 'w')"), protocol=2))


@kind("INST", "no code was run")
def an_old_instruction_that_calls() -> bytes:
    return with_pickle(b"(S'touch " + CANARY.encode() + b"'\nios\nsystem\n.")


@kind("OBJ")
def another_old_instruction_that_calls() -> bytes:
    return with_pickle(b"(cos\nsystem\nS'touch " + CANARY.encode() + b"'\no.")


@kind("EXT1")
def a_registered_extension() -> bytes:
    return with_pickle(b"\x80\x02\x82\x01.")


@kind("getattr", "which is code")
def a_chain_of_attributes() -> bytes:
    return with_pickle(pickle.dumps(Calls(getattr, Calls, "__init__"), protocol=2))


@kind("os.system", "no code was run")
def a_call_hidden_in_a_tensors_making() -> bytes:
    command = f"touch {CANARY}".encode()
    inner = b"(cos\nsystem\nctorch\nTensor\nU" + bytes([len(command)]) + command + b"\x85}t"
    return with_pickle(b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n" + inner + b"R.")


@kind("system", "no code was run")
def a_command_in_a_whole_module() -> bytes:
    module = net()
    module.hook = evil()
    return saved(module)


@kind("Popen", "no code was run")
def a_class_of_python_that_runs_a_command() -> bytes:
    return with_pickle(pickle.dumps({"a": Calls(subprocess.Popen, ["touch", CANARY])}, protocol=2))


@kind("object of the class", "kinds.Calls")
def an_object_of_an_unknown_class() -> bytes:
    return with_pickle(b"\x80\x02chostile.kinds\nCalls\n)\x81}X\x01\x00\x00\x00aK\x01sb.")


@kind("no tensor")
def a_torchscript_program() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py", "m/version"):
            archive.writestr(name, b"\x80\x02}.")
    return out.getvalue()


# -- cells of another kind ---------------------------------------------------------------------------------------


@kind("weight_hr_l0", "projection")
def a_projection() -> bytes:
    return saved(torch.nn.LSTM(3, 5, proj_size=2).state_dict())


@kind("weight_hh_l0", "quantised")
def a_quantised_matrix() -> bytes:
    return saved(state(weight_hh_l0=Calls(torch._utils._rebuild_qtensor)))


@kind("packed by torch", "quantised", "_all_weight_values.0.param")
def a_quantised_layer() -> bytes:
    name = b"X\x1a\x00\x00\x00_all_weight_values.0.param"
    return with_pickle(b"\x80\x02}" + name + b"ctorch\nScriptObject\n)\x81s.")


@kind("weight_hh_l0", "int8")
def whole_numbers_for_weights() -> bytes:
    return saved(state(weight_hh_l0=torch.zeros(15, 5, dtype=torch.int8)))


@kind("weight_hh_l0", "sparse")
def a_sparse_matrix() -> bytes:
    return saved(state(weight_hh_l0=torch.eye(15, 5).to_sparse()))


@kind("weight_hh_l0", "meta tensor")
def a_matrix_without_numbers() -> bytes:
    return saved(state(weight_hh_l0=torch.zeros(15, 5, device="meta")))


@kind("weight_ih_l0", "(15, 3)", "(16, 4)")
def shapes_that_disagree() -> bytes:
    return saved(state(weight_hh_l0=torch.zeros(16, 4)))


@kind("weight_hh_l0", "(25, 5)", "3 of a GRU")
def five_gates() -> bytes:
    return saved(state(weight_hh_l0=torch.zeros(25, 5)))


@kind("weight_ih_l1", "no such array")
def a_layer_that_is_missing() -> bytes:
    return saved({**state(), **{key.replace("l0", "l2"): t for key, t in state().items()}})


@kind("no recurrent layer among 2 arrays")
def no_recurrent_layer() -> bytes:
    return saved(torch.nn.Linear(3, 2).state_dict())


# -- claims ------------------------------------------------------------------------------------------------------


def claiming(data: bytes, count: int) -> bytes:
    """The same with every storage of 75 numbers, as a pickle writes 75, claiming another count."""
    return data.replace(b"K\x4b", b"J" + struct.pack("<i", count))


@kind("claims 2,000,000,000 numbers", "300 bytes")
def a_storage_that_claims_gigabytes() -> bytes:
    return with_pickle(b"", lambda pickled: claiming(pickled, 2_000_000_000))


@kind("claim of", "bytes left")
def a_legacy_storage_that_claims_gigabytes() -> bytes:
    return legacy(state()).replace(struct.pack("<q", 75), struct.pack("<q", 2_000_000_000))


@kind("storage that claims")
def a_legacy_pickle_that_claims_gigabytes() -> bytes:
    return claiming(legacy(state()), 2_000_000_000)


@kind("8,000,000,180", "at most 2,147,483,648")
def one_number_expanded_to_gigabytes() -> bytes:
    return saved(state(weight_hh_l0=torch.zeros(1).expand(400_000_000, 5)))


@kind("tensor of 250,000,000 numbers in a storage of 1", ".contiguous()")
def one_number_expanded_within_the_limit() -> bytes:
    return saved(state(weight_hh_l0=torch.zeros(1).expand(50_000_000, 5)))


@kind("tensor of 75 numbers in a storage of 75")
def strides_that_leave_their_storage() -> bytes:
    return with_pickle(b"", lambda pickled: pickled.replace(b"K\x05K\x01\x86", b"K\x63K\x01\x86"))


@kind("strides")
def strides_that_are_negative() -> bytes:
    return with_pickle(b"", lambda pickled: pickled.replace(b"K\x05K\x01\x86", b"J\xfb\xff\xff\xffK\x01\x86"))


@kind("__builtin__.bytearray")
def a_bytearray_of_gigabytes() -> bytes:
    return with_pickle(pickle.dumps(Calls(bytearray, 10**11), protocol=2))


@kind("torch.Tensor", "no code was run")
def a_tensor_made_by_a_call() -> bytes:
    return with_pickle(b"\x80\x02ctorch\nTensor\n\x8a\x05\x00\x00\x00\x00\x19\x85R.")


@kind("truncated or inconsistent")
def a_text_that_claims_gigabytes() -> bytes:
    return with_pickle(b"\x80\x02X\xff\xff\xff\xf0abc.")


@kind("no tensor")
def a_memory_index_of_billions() -> bytes:
    return with_pickle(b"\x80\x02Nr\xff\xff\xff\xff.")


@kind("containers nested more than")
def lists_in_lists_in_lists() -> bytes:
    return with_pickle(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".")


@kind("no tensor")
def a_key_of_tuples_in_tuples() -> bytes:
    return with_pickle(b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.")


@kind("containers nested more than")
def lists_that_double_at_every_step() -> bytes:
    return with_pickle(b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (k, k, k + 1) for k in range(100)) + b".")


@kind("more than 2,000,000 steps")
def a_pickle_of_endless_steps() -> bytes:
    return with_pickle(b"\x80\x02" + b"N0" * 1_100_000 + b"N.")


@kind("before seeing STOP")
def a_pickle_without_an_end() -> bytes:
    return with_pickle(b"\x80\x02}")


@kind("inconsistent")
def a_pickle_that_takes_from_nothing() -> bytes:
    return with_pickle(b"\x80\x02R.")


# -- archives ----------------------------------------------------------------------------------------------------


@kind("damaged or truncated")
def a_truncated_archive() -> bytes:
    return saved(net().state_dict())[:-1500]


@kind("left", "truncated")
def a_truncated_legacy_file() -> bytes:
    return legacy(net().state_dict())[:-300]


@kind("compressed")
def packed_entries_in_a_torch_archive() -> bytes:
    return with_pickle(b"", compression=zipfile.ZIP_DEFLATED)


@kind("checksum does not match")
def a_number_changed_on_the_way() -> bytes:
    data, numbers = saved(state()), state()["weight_hh_l0"].numpy().tobytes()
    return data.replace(numbers, b"\0" * len(numbers))


@kind("twice")
def an_entry_listed_twice() -> bytes:
    data = saved(state())
    return data.replace(b"archive/data/1", b"archive/data/0")


@kind("encrypted")
def an_encrypted_entry() -> bytes:
    data = bytearray(saved(state()))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    return bytes(data)


@kind("missing")
def a_storage_that_is_not_there() -> bytes:
    return saved(state()).replace(b"archive/data/2", b"archive/data/9")
