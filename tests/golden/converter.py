"""The Python converter with the two packages that it imports and never needs stubbed out.

Runs in an environment of its own:
  pip install tensorflow-cpu==2.19.1 'setuptools<81' six importlib_resources 'packaging~=23.1'
  pip install --no-deps tf_keras==2.19.0 tensorflow_hub==0.16.1 tensorflowjs==4.22.0
  pip install scipy     (only for Keras' STFTSpectrogram)
"""

import os
import sys
from types import ModuleType

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def load():
    """(tensorflow, keras 3, tf_keras, convert(argv))."""
    import keras
    import tensorflow as tf
    import tf_keras

    sys.modules.setdefault("tensorflow_decision_forests", ModuleType("tensorflow_decision_forests"))
    for name in ("jax", "jax.experimental", "jax.experimental.jax2tf"):
        sys.modules[name] = ModuleType(name)
    sys.modules["jax"].experimental = sys.modules["jax.experimental"]
    sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]
    from tensorflowjs.converters import converter

    return tf, keras, tf_keras, converter.convert
