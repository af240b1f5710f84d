"""A fitted estimator as ONNX, for programs that know neither Python nor handgrad.

The graph takes `X`, float32 rows, and gives `label` and `probabilities`, or `variable` for a regression: the names that
skl2onnx gives. Batch norm is folded into the weights, and dropout is gone.
"""

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from handgrad import files, tensorfile
from handgrad.engine.activations import ELU, GELU, Activation, Identity, LeakyReLU, SiLU
from handgrad.engine.folding import fold
from handgrad.engine.layers import Activate
from handgrad.errors import HandgradError
from handgrad.estimator.parameters import LOGISTIC

if TYPE_CHECKING:
    from handgrad.estimator.multilayer import Multilayer

OPSET = 20
"""The first in which GELU is one node."""

IR_VERSION = 9
"""The format that came with it: readable by every ONNX Runtime since 1.17."""

_NODES = {"relu": "Relu", "softplus": "Softplus", "sigmoid": "Sigmoid", "tanh": "Tanh"}


_Outputs: TypeAlias = list[tuple[str, Any, list[int | None]]]
"""Name, type and shape of what a graph gives; None stands for the rows."""


@final
class _Graph:
    """Nodes in the making, each of which reads what the one before it gave."""

    def __init__(self, helper: Any, numpy_helper: Any) -> None:  # noqa: ANN401 - modules of the package onnx
        self._helper, self._numpy_helper = helper, numpy_helper
        self._names = count()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        """Add a node; return the name of what it gives."""
        out = out or f"{kind.lower()}_{next(self._names)}"
        self.nodes.append(self._helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def hold(self, array: NDArray[Any]) -> str:
        """Add a constant; return its name."""
        name = f"constant_{next(self._names)}"
        self.constants.append(self._numpy_helper.from_array(array, name))
        return name

    def activate(self, function: Activation, x: str) -> str:
        """Add the nodes of an activation.

        Raises:
            HandgradError: ONNX has no word for it here.
        """
        if function.name in _NODES:
            return self.add(_NODES[function.name], x)
        match function:
            case LeakyReLU():
                return self.add("LeakyRelu", x, alpha=function.leak)
            case ELU():
                return self.add("Elu", x)
            case Identity():
                return x
            case GELU():
                return self.add("Gelu", x, approximate="tanh")
            case SiLU():
                return self.add("Mul", x, self.add("Sigmoid", x))
        raise HandgradError(f"the activation {function.name!r} cannot be exported to ONNX; use another")


def export(owner: "Multilayer", path: Path) -> None:
    """Write an ONNX file, whole or not at all.

    Raises:
        NotFittedError: `owner` is not fitted.
        HandgradError: the package onnx is not installed, or the file cannot be written there.
    """
    check_is_fitted(owner)
    try:
        import onnx  # noqa: PLC0415 - imported late: it is optional
    except ImportError as error:
        raise HandgradError("export_onnx needs the package onnx: pip install 'handgrad[onnx]'") from error
    helper, kinds = onnx.helper, onnx.TensorProto
    network = fold(owner._current())
    graph = _Graph(helper, onnx.numpy_helper)
    x = "X"
    for layer, views in zip(network.layers, network.views(), strict=True):
        if isinstance(layer, Activate):
            x = graph.activate(layer.function, x)
        else:
            x = graph.add("Gemm", x, *(graph.hold(view.astype(np.float32)) for view in views))

    outputs: _Outputs = [("variable", kinds.FLOAT, [None, network.n_out])]
    if owner.out_activation_ == "exp":
        graph.add("Exp", x, out="variable")
    elif owner.out_activation_ == "identity":
        graph.add("Identity", x, out="variable")
    else:
        outputs = _add_classes(owner, graph, x, kinds)
    made = helper.make_graph(
        graph.nodes,
        type(owner).__name__,
        [helper.make_tensor_value_info("X", kinds.FLOAT, [None, network.n_in])],
        [helper.make_tensor_value_info(*output) for output in outputs],
        graph.constants,
    )
    versions = tensorfile.versions()
    model = helper.make_model(
        made,
        producer_name="handgrad",
        producer_version=versions["handgrad"],
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, versions)
    onnx.checker.check_model(model)
    files.write(path, model.SerializeToString())


def _add_classes(owner: Any, graph: _Graph, x: str, kinds: Any) -> _Outputs:  # noqa: ANN401
    """Add what turns logits into labels and probabilities; return the outputs.

    Raises:
        HandgradError: labels that ONNX has no type for.
    """
    classes: NDArray[Any] = owner.classes_
    several = owner._label_binarizer.y_type_.startswith("multilabel")
    if several:
        p = graph.add("Sigmoid", x, out="probabilities")
        half = graph.hold(np.array(0.5, np.float32))
        graph.add("Cast", graph.add("Greater", p, half), to=kinds.INT64, out="label")
        return [("label", kinds.INT64, [None, len(classes)]), ("probabilities", kinds.FLOAT, [None, len(classes)])]
    if owner.out_activation_ == LOGISTIC:
        p = graph.add("Sigmoid", x)
        rest = graph.add("Sub", graph.hold(np.array(1.0, np.float32)), p)
        graph.add("Concat", rest, p, axis=1, out="probabilities")
        positive = graph.add("Greater", p, graph.hold(np.array(0.5, np.float32)))
        chosen = graph.add("Cast", graph.add("Squeeze", positive, graph.hold(np.array([1]))), to=kinds.INT64)
    else:
        graph.add("Softmax", x, axis=1, out="probabilities")
        chosen = graph.add("ArgMax", "probabilities", axis=1, keepdims=0)
    if classes.dtype.kind in "UO":
        labels, kind = classes.astype(object), kinds.STRING
        if not all(isinstance(label, str) for label in labels):
            raise HandgradError("these classes are neither text nor numbers, which ONNX has no type for")
    elif classes.dtype.kind in "biu":
        labels, kind = classes.astype(np.int64), kinds.INT64
    else:
        labels, kind = classes.astype(np.float32), kinds.FLOAT
    graph.add("Gather", graph.hold(labels), chosen, out="label")
    return [("label", kind, [None]), ("probabilities", kinds.FLOAT, [None, max(len(classes), 2)])]
