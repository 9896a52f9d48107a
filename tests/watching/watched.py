"""Models of five shapes, as people write them, and an independent reading of what their recurrent modules do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from textbook import run_gru, run_lstm, run_rnn
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

LENGTHS = (3, 7, 5, 1)


class EncoderDecoder(nn.Module):
    """Reads packed sequences of unequal length, then writes from the state it ended in."""

    def __init__(self, kind: type[nn.RNNBase] = nn.GRU) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"rnn": kind(3, 5, batch_first=True)})
        self.decoder = kind(2, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
        _, state = self.encoder["rnn"](packed)
        return self.head(self.decoder(y, state)[0])


class Loop(nn.Module):
    """Steps a cell through time by hand."""

    def __init__(self, kind: type[nn.RNNCellBase] = nn.GRUCell) -> None:
        super().__init__()
        self.cell, self.head = kind(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        state, answers = None, []
        for step in x.unbind(1):
            state = self.cell(step, state)
            answers.append(self.head(state[0] if isinstance(state, tuple) else state))
        return torch.stack(answers, 1)


class Tagger(nn.Module):
    """Reads symbols both ways and answers at every step."""

    def __init__(self, kind: type[nn.RNNBase] = nn.GRU, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 3)
        self.rnn = kind(3, 5, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.head = nn.Linear(10, 4)

    def forward(self, symbols: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(symbols))[0])


class Stack(nn.Module):
    """GRUs of different sizes in a list, with skips past each."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.GRU(3, 6, batch_first=True), nn.GRU(9, 4, batch_first=True)])
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        first = self.layers[0](x)[0].relu()
        return self.head(self.layers[1](input=torch.cat([first, x], -1))[0])


class Convolutional(nn.Module):
    """A convolution over time, then a GRU on what it found."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 6, 3, stride=2)
        self.gru = nn.GRU(6, 5, num_layers=2)
        self.head = nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = self.conv(x.transpose(1, 2)).relu()
        return self.head(self.gru(found.permute(2, 0, 1))[0][-1])


def seeded(kind: type[nn.Module], *args: object, dtype: torch.dtype = torch.float32, **named: object) -> nn.Module:
    """A model whose weights are large enough that every gate moves."""
    torch.manual_seed(3)
    model = kind(*args, **named).to(dtype)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "weight_" in name or "bias_" in name:
                p.mul_(2.5)
    return model


def reads(*shape: int, seed: int = 7, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def by_hand(
    module: nn.Module, x: Tensor, lengths: Sequence[int] | None = None, states: Sequence[Tensor] = ()
) -> list[list[dict[str, np.ndarray]]]:
    """Every gate of every layer and direction of a module over x (batch, time, features), by the textbook's loops."""
    cell = isinstance(module, nn.RNNCellBase)
    kind = type(module).__name__.removesuffix("Cell")
    layers, directions = (1, 1) if cell else (module.num_layers, 1 + module.bidirectional)
    read = x.detach().double().numpy()
    lengths = lengths or [read.shape[1]] * len(read)
    told = []
    for k in range(layers):
        runs = []
        for d in range(directions):
            place = "" if cell else f"_l{k}{'_reverse' * d}"
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            m = {n: getattr(module, n + place).detach().double().numpy() for n in names if hasattr(module, n + place)}
            size = module.hidden_size
            for name in names[2:]:
                m.setdefault(name, np.zeros(len(m["weight_hh"])))
            rows: list[dict[str, np.ndarray]] = []
            for i, n in enumerate(lengths):
                start = [
                    s.detach().double().numpy().reshape(layers * directions, -1, size)[k * directions + d, i]
                    for s in states
                ]
                start = start or [np.zeros(size)] * (2 if kind == "LSTM" else 1)
                own = read[i, :n][::-1] if d else read[i, :n]
                if kind == "GRU":
                    run = run_gru("torch", m, own, *start)
                else:
                    run = (
                        run_lstm("torch_lstm", m, own, *start)
                        if kind == "LSTM"
                        else run_rnn("torch_rnn", m, own, *start)
                    )
                rows.append({q: v[::-1] if d else v for q, v in run.items()})
            padded = {q: np.full((len(rows), read.shape[1], size), np.nan) for q in rows[0]}
            for i, row in enumerate(rows):
                for q, values in row.items():
                    padded[q][i, : len(values)] = values
            runs.append(padded)
        told.append(runs)
        read = np.nan_to_num(np.concatenate([run["hidden"] for run in runs], -1))
    return told


def differs(trace: object, told: list[list[dict[str, np.ndarray]]]) -> float:
    """The largest difference of any gate of any layer from the textbook's; NaN must stand in the same places."""
    worst = 0.0
    for layer, runs in zip(trace.layers, told, strict=True):  # type: ignore[attr-defined]
        for run, own in zip(layer.directions, runs, strict=True):
            assert set(run.quantities) == set(own)
            for name, values in run.quantities.items():
                assert values.shape == own[name].shape
                assert np.array_equal(np.isnan(values), np.isnan(own[name]))
                worst = max(worst, float(np.nanmax(np.abs(values - own[name]))))
    return worst
