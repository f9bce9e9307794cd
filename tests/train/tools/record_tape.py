"""Record what TensorFlow computes: gradients of small nets, losses, optimizer steps -> tests/golden/tape.json.gz.

Needs an environment of its own: pip install tensorflow-cpu==2.19.1 tf_keras==2.19.0. Run: python record_tape.py OUTPUT
"""

# mypy: ignore-errors

from __future__ import annotations

import base64
import gzip
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf
import tf_keras as keras

L = keras.layers


def pack(value) -> dict:
    array = np.asarray(value)
    array = array.astype(np.int32 if array.dtype.kind == "i" else np.float32)
    return {
        "shape": array.shape,
        "dtype": array.dtype.name,
        "data": base64.b64encode(array.tobytes()).decode(),
    }


def functional(shape, build, dtype="float32"):
    x = keras.Input(shape, dtype=dtype)
    return keras.Model(x, build(x))


def attention(x):
    q, k, v = (L.Dense(4, name=name)(x) for name in "qkv")
    scores = L.Softmax()(L.Dot(axes=(2, 2))([q, k]))
    return L.Dense(3)(L.Dot(axes=(2, 1))([scores, v]))


NETS = {
    "dense_softmax": ((6,), lambda x: L.Dense(4, "softmax")(L.Dense(5, "relu")(x))),
    "dense_tanh": ((6,), lambda x: L.Dense(3, "sigmoid")(L.Dense(5, "tanh")(x))),
    "activations": ((6,), lambda x: L.Dense(3)(L.Add()([
        L.Dense(5, name)(x) for name in ("elu", "selu", "softplus", "softsign", "swish", "hard_sigmoid", "gelu", "exponential")]))),
    "leaky_prelu": ((6,), lambda x: L.Dense(3)(L.PReLU()(L.Dense(5)(L.LeakyReLU(0.2)(L.ELU()(L.Dense(5)(x))))))),
    "conv_same": ((7, 6, 2), lambda x: L.Dense(3)(L.Flatten()(L.Conv2D(3, (3, 2), (2, 1), "same", activation="relu")(x)))),
    "conv_dilated": ((9, 8, 2), lambda x: L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(3, 3, dilation_rate=(2, 1))(x)))),
    "conv_grouped": ((6, 6, 4), lambda x: L.Dense(3)(L.Flatten()(L.Conv2D(6, 3, groups=2, activation="tanh")(x)))),
    "conv_transposed": ((4, 3, 2), lambda x: L.Dense(3)(L.Flatten()(L.Conv2DTranspose(3, 3, (2, 2), "same")(x)))),
    "conv_transposed_valid": ((4, 3, 2), lambda x: L.Dense(3)(L.Flatten()(L.Conv2DTranspose(3, (3, 2), (1, 2))(x)))),
    "depthwise": ((6, 6, 3), lambda x: L.Dense(3)(L.Flatten()(L.DepthwiseConv2D(3, (2, 2), "same", 2, activation="relu6")(x)))),
    "separable": ((6, 6, 3), lambda x: L.Dense(3)(L.Flatten()(L.SeparableConv2D(4, 3, activation="tanh")(x)))),
    "pools": ((7, 7, 2), lambda x: L.Dense(3)(L.Concatenate()([
        L.Flatten()(L.MaxPooling2D(2)(x)), L.Flatten()(L.AveragePooling2D(3, 2, "same")(L.Conv2D(2, 2)(x))),
        L.GlobalMaxPooling2D()(L.Conv2D(3, 2)(x))]))),
    "batch_norm": ((5, 5, 2), lambda x: L.Dense(3)(L.Flatten()(L.ReLU()(L.BatchNormalization(momentum=0.9)(L.Conv2D(3, 3)(x)))))),
    "batch_norm_dense": ((6,), lambda x: L.Dense(3)(L.BatchNormalization(center=False)(L.Dense(5)(x)))),
    "layer_norm": ((4, 6), lambda x: L.Dense(3)(L.Flatten()(L.LayerNormalization()(L.Dense(5, "gelu")(x))))),
    "lstm": ((5, 3), lambda x: L.Dense(3)(L.LSTM(4)(L.LSTM(3, return_sequences=True)(x)))),
    "gru": ((5, 3), lambda x: L.Dense(3)(L.GRU(4)(x))),
    "gru_reset_before": ((5, 3), lambda x: L.Dense(3)(L.GRU(4, reset_after=False, return_sequences=True)(x))),
    "rnn_bidirectional": ((5, 3), lambda x: L.Dense(3)(L.Bidirectional(L.SimpleRNN(4))(x))),
    "conv1d_causal": ((8, 3), lambda x: L.Dense(3)(L.GlobalMaxPooling1D()(L.Conv1D(4, 3, padding="causal", activation="relu")(x)))),
    "attention": ((5, 6), attention),
    "upsampling": ((3, 4, 2), lambda x: L.Dense(3)(L.Flatten()(L.Conv2D(2, 3)(L.UpSampling2D((2, 2), interpolation="bilinear")(x))))),
    "upsampling_nearest": ((3, 4, 2), lambda x: L.Conv2D(3, 3)(L.UpSampling2D((2, 3))(L.Conv2D(2, 1)(x)))),
    "merges": ((6,), lambda x: L.Dense(3)(L.Multiply()([L.Maximum()([L.Dense(4)(x), L.Dense(4)(x)]),
        L.Average()([L.Dense(4)(x), L.Minimum()([L.Dense(4)(x), L.Dense(4)(x)])])]))),
    "time_distributed": ((4, 5), lambda x: L.Dense(3)(L.Flatten()(L.TimeDistributed(L.Dense(3, "tanh"))(x)))),
    "padding_cropping": ((5, 5, 2), lambda x: L.Dense(3)(L.Flatten()(L.Cropping2D(1)(L.Conv2D(2, 3)(L.ZeroPadding2D(2)(x)))))),
    "permute_reshape": ((4, 6), lambda x: L.Dense(3)(L.Reshape((12, 2))(L.Permute((2, 1))(L.Dense(4)(L.Permute((2, 1))(x)))))),
    "embedding": ((5,), lambda x: L.Dense(3)(L.GlobalAveragePooling1D()(L.Embedding(7, 4)(x)))),
}  # fmt: skip


def record_net(name, rng) -> dict:
    keras.backend.clear_session()
    shape, build = NETS[name]
    ids = name == "embedding"
    model = functional(shape, build, "int32" if ids else "float32")
    for weight in model.weights:
        low = 0.5 if "variance" in weight.name or "gamma" in weight.name else -0.6
        weight.assign(rng.uniform(low, low + 1.2, weight.shape))
    x = rng.integers(0, 7, (3, *shape)) if ids else rng.normal(size=(3, *shape))
    x = tf.constant(x, tf.int32 if ids else tf.float32)
    before = [pack(w) for w in model.weights]
    with tf.GradientTape() as tape:
        y = model(x, training=True)
        target = tf.constant(np.random.default_rng(5).uniform(0, 1, y.shape), tf.float32)
        loss = tf.reduce_mean(tf.reduce_mean(tf.math.squared_difference(y, target), -1))
    gradients = tape.gradient(loss, model.trainable_weights)
    gradients = [tf.convert_to_tensor(g) for g in gradients]
    return {
        "name": name, "topology": json.loads(model.to_json()), "x": pack(x), "target": pack(target), "loss": float(loss),
        "weights": [{"name": w.name.split(":")[0], **b} for w, b in zip(model.weights, before, strict=False)],
        "gradients": [{"name": w.name.split(":")[0], **pack(g)} for w, g in zip(model.trainable_weights, gradients, strict=False)],
        "after": [{"name": w.name.split(":")[0], **pack(w)} for w in model.non_trainable_weights],
    }  # fmt: skip


LOSSES = {
    "meanSquaredError": "any", "meanAbsoluteError": "any", "meanAbsolutePercentageError": "any",
    "meanSquaredLogarithmicError": "positive", "squaredHinge": "signs", "hinge": "binary", "categoricalHinge": "onehot",
    "logcosh": "any", "categoricalCrossentropy": "onehot", "sparseCategoricalCrossentropy": "sparse",
    "binaryCrossentropy": "binary", "kullbackLeiblerDivergence": "share", "poisson": "positive", "cosineProximity": "any",
}  # fmt: skip
KERAS_NAME = {
    "kullbackLeiblerDivergence": "KLDivergence",
    "logcosh": "LogCosh",
    "cosineProximity": "CosineSimilarity",
}


def record_loss(name, kind, rng) -> dict:
    truth = {
        "any": lambda: rng.normal(size=(6, 4)), "positive": lambda: rng.uniform(0.1, 2, (6, 4)),
        "signs": lambda: rng.choice([-1.0, 1.0], (6, 4)), "binary": lambda: rng.choice([0.0, 1.0], (6, 4)),
        "onehot": lambda: np.eye(4)[rng.integers(0, 4, 6)], "sparse": lambda: rng.integers(0, 4, 6),
        "share": lambda: rng.dirichlet(np.ones(4), 6),
    }[kind]()  # fmt: skip
    probability = kind in ("onehot", "sparse", "binary", "share", "positive") and "inge" not in name
    prediction = rng.dirichlet(np.ones(4), 6) if probability else rng.normal(size=(6, 4))
    weights = rng.uniform(0, 2, 6)
    loss = getattr(keras.losses, KERAS_NAME.get(name, name[0].upper() + name[1:]))()
    p = tf.Variable(prediction.astype(np.float32))
    with tf.GradientTape() as tape:
        value = loss(
            tf.constant(truth, tf.int32 if kind == "sparse" else tf.float32),
            p,
            sample_weight=weights.astype(np.float32),
        )
    return {"name": name, "truth": pack(truth), "prediction": pack(p), "weights": pack(weights),
            "value": float(value), "gradient": pack(tf.convert_to_tensor(tape.gradient(value, p)))}  # fmt: skip


K = keras.optimizers
RULES = {
    "sgd": (lambda: K.SGD(0.1), {"learning_rate": 0.1}),
    "momentum": (lambda: K.SGD(0.1, momentum=0.9), {"learning_rate": 0.1, "momentum": 0.9}),
    "nesterov": (lambda: K.SGD(0.1, momentum=0.9, nesterov=True), {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    "adam": (lambda: K.Adam(0.01), {"learning_rate": 0.01}),
    "amsgrad": (lambda: K.Adam(0.01, amsgrad=True), {"learning_rate": 0.01, "amsgrad": True}),
    "adamw": (lambda: K.AdamW(0.01, weight_decay=0.1), {"learning_rate": 0.01, "weight_decay": 0.1}),
    "adamax": (lambda: K.Adamax(0.01), {"learning_rate": 0.01}),
    "adagrad": (lambda: K.Adagrad(0.1), {"learning_rate": 0.1}),
    "adadelta": (lambda: K.Adadelta(1.0), {"learning_rate": 1.0}),
    "rmsprop": (lambda: K.RMSprop(0.01), {"learning_rate": 0.01}),
    "rmsprop_centered": (lambda: K.RMSprop(0.01, centered=True, momentum=0.9), {"learning_rate": 0.01, "centered": True, "momentum": 0.9}),
    "clipvalue": (lambda: K.SGD(0.1, clipvalue=0.3), {"learning_rate": 0.1, "clip_value": 0.3}),
    "clipnorm": (lambda: K.SGD(0.1, clipnorm=0.5), {"learning_rate": 0.1, "clip_norm": 0.5}),
    "global_clipnorm": (lambda: K.SGD(0.1, global_clipnorm=0.5), {"learning_rate": 0.1, "global_clip_norm": 0.5}),
}  # fmt: skip


def record_rule(name, rng) -> dict:
    make, options = RULES[name]
    rule, weights = make(), [tf.Variable(rng.normal(size=s), dtype=tf.float32) for s in ((3, 4), (4,))]
    before, gradients, after = [pack(w) for w in weights], [], []
    for _ in range(4):
        grads = [tf.constant(rng.normal(size=w.shape), tf.float32) for w in weights]
        rule.apply_gradients(zip(grads, weights, strict=False))
        gradients.append([pack(g) for g in grads])
        after.append([pack(w) for w in weights])
    return {"name": name, "options": options, "before": before, "gradients": gradients, "after": after}


def main(output: str) -> None:
    rng = np.random.default_rng(11)
    found = {
        "tensorflow": tf.__version__, "tf_keras": keras.__version__,
        "nets": [record_net(name, rng) for name in NETS],
        "losses": [record_loss(name, kind, rng) for name, kind in LOSSES.items()],
        "rules": [record_rule(name, rng) for name in RULES],
    }  # fmt: skip
    with open(output, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(json.dumps(found).encode())


if __name__ == "__main__":
    main(sys.argv[1])
