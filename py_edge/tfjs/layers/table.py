"""All layers by class name. To add one: a function in a family file, its name in that file's ROWS."""

from __future__ import annotations

from py_edge.tfjs.layers import (
    activations,
    attention,
    convolution,
    core,
    merge,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    sound,
    wrappers,
)
from py_edge.tfjs.layers.call import Lower

LAYERS: dict[str, Lower] = {
    **core.ROWS, **activations.ROWS, **convolution.ROWS, **pooling.ROWS, **merge.ROWS, **normalization.ROWS,
    **recurrent.ROWS, **wrappers.ROWS, **attention.ROWS, **preprocessing.ROWS, **sound.ROWS,
}  # fmt: skip
REFUSED = {
    "Lambda": "it carries Python code",
    "TensorFlowOpLayer": "it carries a serialised node",
    "TorchModuleWrapper": "it carries foreign code",
    "JaxLayer": "it carries foreign code",
    "FlaxLayer": "it carries foreign code",
    "TFSMLayer": "it loads a file",
    "FeatureSpace": "it carries a pipeline",
    "DenseFeatures": "it carries feature columns",
}
