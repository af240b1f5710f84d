"""ONNX Runtime: the network as a graph of `Gemm`, `Relu` and `ArgMax`, its weights constants in it."""

import time
from typing import final

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.images import load
from benchmarks.peers.weights import dense_layers
from benchmarks.prediction import PredictionJob

OPSET, IR = 17, 9  # that every ONNX Runtime of the last years reads


def graph_of(model: str) -> onnx.ModelProto:
    """The network of a model file, from rows to classes."""
    layers = dense_layers(model)
    nodes, constants, x = [], [], "x"
    for l, (W, b) in enumerate(layers):
        constants += [numpy_helper.from_array(W, f"W{l}"), numpy_helper.from_array(b, f"b{l}")]
        nodes.append(helper.make_node("Gemm", [x, f"W{l}", f"b{l}"], [f"z{l}"]))
        x = f"z{l}"
        if l + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [x], [f"a{l}"]))
            x = f"a{l}"
    nodes.append(helper.make_node("ArgMax", [x], ["classes"], axis=1, keepdims=0))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(layers[0][0])])],
        [helper.make_tensor_value_info("classes", TensorProto.INT64, [None])],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(made)
    return made


@final
class Inference:
    """A session with every optimisation of the graph."""

    def __init__(self, job: PredictionJob, threads: int) -> None:
        self.versions = {"onnxruntime": onnxruntime.__version__}
        self.note = ""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = onnxruntime.InferenceSession(
            graph_of(job.model).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._calls = job.calls
        self._fed = {"x": np.ascontiguousarray(load(job.dataset, 1).test_x[: job.images])}

    def turn(self) -> float:
        began = time.perf_counter()
        for _ in range(self._calls):
            self._session.run(["classes"], self._fed)
        return (time.perf_counter() - began) / self._calls

    def outcome(self) -> list[int]:
        return [int(c) for c in self._session.run(["classes"], self._fed)[0]]
