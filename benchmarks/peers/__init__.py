"""The systems that are compared: one file each, written as its own experts would write it.

Each file holds a class `Training`, a class `Inference`, or both; `protocol.py` says what they can do. A file is
imported in a process of its own, whose environment holds it to one or two threads before anything is loaded.
"""

import importlib.util
from collections.abc import Mapping
from types import MappingProxyType
from typing import final

import msgspec

THREADS = (1, 2)
"""Every system is given the better of these."""


@final
class Peer(msgspec.Struct, frozen=True):
    """A system in the comparison.

    Attributes:
        title: what people call it.
        module: its file.
        packages: what it needs installed.
        environment: variables beside those that every process gets, `{threads}` to be filled in.
        chooses_itself: whether it chooses its own BLAS threads, so that the environment should not.
    """

    title: str
    module: str
    packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    chooses_itself: bool = False

    def missing(self) -> list[str]:
        """The packages that are not installed here."""
        return [package for package in self.packages if importlib.util.find_spec(package) is None]


# XLA's own flags no longer bound its threads (jax 0.10 kept two cores busy with --xla_cpu_multi_thread_eigen=false);
# the size of PJRT's pool does.
_XLA = {"PJRT_NPROC": "{threads}", "NPROC": "{threads}"}

PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "handgrad": Peer("handgrad", "benchmarks.peers.handgrad_", chooses_itself=True),
        "torch": Peer("PyTorch", "benchmarks.peers.torch_", ("torch",)),
        "torch-compile": Peer("torch.compile", "benchmarks.peers.torch_compiled", ("torch",)),
        "jax": Peer("JAX", "benchmarks.peers.jax_", ("jax",), _XLA),
        "keras": Peer("Keras", "benchmarks.peers.keras_", ("keras", "jax"), _XLA | {"KERAS_BACKEND": "jax"}),
        "sklearn": Peer("scikit-learn", "benchmarks.peers.sklearn_", ("sklearn",)),
        "onnx": Peer("ONNX Runtime", "benchmarks.peers.onnx_", ("onnx", "onnxruntime")),
        "floor": Peer("matrix products alone", "benchmarks.floor"),
    }
)
"""Every system by the name that the command line knows."""
