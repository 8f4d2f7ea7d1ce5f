"""A tabular net as an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.packaging.catboost_trees import IR, OPSET


def is_net(estimator: Any) -> bool:
    """Whether an estimator is a tabular net."""
    return type(estimator).__name__ in ("TabularNetClassifier", "TabularNetRegressor") and hasattr(estimator, "link_")


def net_onnx(net: Any) -> bytes:
    """A fitted `jobs.training.tabular_net.TabularNet` as an ONNX model: input X, float32; the last output predicts."""
    from onnx import TensorProto, checker, helper, numpy_helper

    parts, nodes, flowing = list[Any](), list[Any](), "X"
    for layer, (weights, biases) in enumerate(zip(net.weights_, net.biases_, strict=True)):
        parts += [numpy_helper.from_array(weights, f"w{layer}"), numpy_helper.from_array(biases, f"b{layer}")]
        nodes.append(helper.make_node("Gemm", [flowing, f"w{layer}", f"b{layer}"], [f"z{layer}"]))
        flowing = f"z{layer}"
        if layer < len(net.weights_) - 1:
            nodes.append(helper.make_node("Relu", [flowing], [f"a{layer}"]))
            flowing = f"a{layer}"
    match net.link_:
        case "logit":
            nodes.append(helper.make_node("Sigmoid", [flowing], ["said"]))
        case "softmax":
            nodes.append(helper.make_node("Softmax", [flowing], ["said"], axis=1))
        case "log":
            nodes.append(helper.make_node("Exp", [flowing], ["said"]))
        case _:
            parts += [
                numpy_helper.from_array(np.array(value, dtype=np.float32), name)
                for name, value in (("scale", net.scale_), ("centre", net.centre_))
            ]
            nodes.append(helper.make_node("Mul", [flowing, "scale"], ["scaled"]))
            nodes.append(helper.make_node("Add", ["scaled", "centre"], ["said"]))
    taken = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, int(net.n_features_in_)])
    given = helper.make_tensor_value_info("said", TensorProto.FLOAT, [None, int(net.width_)])
    graph = helper.make_graph(nodes, "tabular_net", [taken], [given], parts)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    checker.check_model(model)
    return bytes(model.SerializeToString())
