"""What must travel with a trace, whatever it is written to."""

from __future__ import annotations

import json
import platform

import numpy as np
import torch

from gru_viz.trace import Trace
from gru_viz.version import __version__

__all__ = ["facts"]


def facts(trace: Trace) -> dict[str, str]:
    """What must travel with a trace: what ran, on what, how its inputs were scaled, and how it was proven.

    Example:
        >>> import gru_viz
        >>> facts(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1))))["variant"]
        'torch'
    """
    scaling = trace.scaling
    scales = [] if scaling is None else zip(scaling.features, scaling.centre, scaling.scale, strict=True)
    return {
        "variant": trace.convention.name,
        "variant_title": trace.convention.title,
        "reset": trace.convention.reset or "",
        "update": trace.convention.update or "",
        "weights": trace.weights.origin,
        "features": json.dumps(trace.features, ensure_ascii=False),
        "sequences": json.dumps(trace.names, ensure_ascii=False),
        "scaling_method": "" if scaling is None else scaling.method,
        "scaling": json.dumps({name: {"centre": float(c), "scale": float(s)} for name, c, s in scales}),
        "backend": trace.backend,
        "device": trace.device,
        "dtype": trace.dtype,
        "proof": repr(trace.proof.difference),
        "witness": trace.proof.witness,
        "gru_viz": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
