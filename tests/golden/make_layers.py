"""One small model per layer and spelling, by tf_keras 2.19 and Keras 3.15, converted, with what Keras computed.

usage: python make_layers.py OUT [name ...]     (environment: see converter.py)
Layout as of a conformance folder: OUT/<name>/model.json, shards, inputs*.npy, expected*.npy.
"""

import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
from converter import load

tf, k3, k2, convert = load()
RNG = np.random.default_rng(7)
IMG, SEQ, VEC, VOL = (6, 7, 3), (5, 4), (6,), (4, 5, 4, 2)


def img(L):
    return L.Input(IMG, name="img")


def single(make, *shapes, dtype="float32", call=None):
    """A functional model around one layer."""

    def build(K):
        L = K.layers
        inputs = [L.Input(s, name=f"in{i}", dtype=dtype) for i, s in enumerate(shapes or [IMG])]
        layer = make(K)
        given = inputs[0] if len(inputs) == 1 else inputs
        y = call(K, layer, inputs) if call else layer(given)
        return K.Model(inputs, y)

    return build


def both(**cases):
    return cases


def act(name):
    return single(lambda K: K.layers.Dense(5, activation=name), VEC)


CASES = {
    "dense3": single(lambda K: K.layers.Dense(4), SEQ),
    "conv1d_causal": single(lambda K: K.layers.Conv1D(3, 3, padding="causal", dilation_rate=2), SEQ),
    "conv1d_groups": single(lambda K: K.layers.Conv1D(4, 2, groups=2), SEQ),
    "conv2d_groups": single(lambda K: K.layers.Conv2D(6, 3, groups=3), IMG),
    "conv2d_stride_same": single(
        lambda K: K.layers.Conv2D(4, (3, 2), strides=(2, 3), padding="same", activation="relu"), IMG
    ),
    "conv3d_same": single(lambda K: K.layers.Conv3D(3, 2, strides=(1, 2, 1), padding="same"), VOL),
    "conv1d_t": single(lambda K: K.layers.Conv1DTranspose(3, 3, strides=2, padding="same"), SEQ),
    "conv1d_t_valid": single(lambda K: K.layers.Conv1DTranspose(3, 4, strides=3), SEQ),
    "conv2d_t_valid": single(lambda K: K.layers.Conv2DTranspose(3, (3, 4), strides=(2, 1)), IMG),
    "conv2d_t_out": single(lambda K: K.layers.Conv2DTranspose(3, 3, strides=2, output_padding=1), IMG),
    "conv2d_t_out_same": single(
        lambda K: K.layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1), IMG
    ),
    "conv3d_t": single(lambda K: K.layers.Conv3DTranspose(2, 3, strides=2, padding="same"), VOL),
    "conv3d_t_valid": single(lambda K: K.layers.Conv3DTranspose(2, (2, 3, 2), strides=(1, 2, 3)), VOL),
    "sep1d": single(lambda K: K.layers.SeparableConv1D(4, 3, depth_multiplier=2, padding="same"), SEQ),
    "sep2d": single(
        lambda K: K.layers.SeparableConv2D(4, 3, depth_multiplier=2, strides=2, padding="same"), IMG
    ),
    "dw1d": single(lambda K: K.layers.DepthwiseConv1D(3, depth_multiplier=2), SEQ),
    "dw2d": single(lambda K: K.layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same"), IMG),
    "maxp1": single(lambda K: K.layers.MaxPooling1D(2, padding="same"), SEQ),
    "maxp2": single(lambda K: K.layers.MaxPooling2D((2, 3), strides=(1, 2), padding="same"), IMG),
    "maxp3": single(lambda K: K.layers.MaxPooling3D(2, padding="same"), VOL),
    "avgp3_same": single(lambda K: K.layers.AveragePooling3D(2, strides=1, padding="same"), VOL),
    "gmp1": single(lambda K: K.layers.GlobalMaxPooling1D(), SEQ),
    "gap2_keep": single(lambda K: K.layers.GlobalAveragePooling2D(keepdims=True), IMG),
    "gap3": single(lambda K: K.layers.GlobalAveragePooling3D(), VOL),
    "gmp3_keep": single(lambda K: K.layers.GlobalMaxPooling3D(keepdims=True), VOL),
    "crop1": single(lambda K: K.layers.Cropping1D((1, 2)), SEQ),
    "crop2": single(lambda K: K.layers.Cropping2D(((1, 2), (0, 1))), IMG),
    "crop3": single(lambda K: K.layers.Cropping3D(1), VOL),
    "zp1": single(lambda K: K.layers.ZeroPadding1D((1, 2)), SEQ),
    "zp2": single(lambda K: K.layers.ZeroPadding2D(((1, 2), (0, 3))), IMG),
    "zp3": single(lambda K: K.layers.ZeroPadding3D((1, 0, 2)), VOL),
    "up1": single(lambda K: K.layers.UpSampling1D(3), SEQ),
    "up2_bil": single(lambda K: K.layers.UpSampling2D((2, 3), interpolation="bilinear"), IMG),
    "up3": single(lambda K: K.layers.UpSampling3D((1, 2, 3)), VOL),
    "permute": single(lambda K: K.layers.Permute((3, 1, 2)), IMG),
    "repeat": single(lambda K: K.layers.RepeatVector(3), VEC),
    "bn": single(lambda K: K.layers.BatchNormalization(), IMG),
    "bn_noscale": single(lambda K: K.layers.BatchNormalization(scale=False, center=False), IMG),
    "ln": single(lambda K: K.layers.LayerNormalization(), SEQ),
    "gn": single(lambda K: K.layers.GroupNormalization(groups=3), (4, 5, 6)),
    "gn_all": single(lambda K: K.layers.GroupNormalization(groups=-1), IMG),
    "unit": single(lambda K: K.layers.UnitNormalization(axis=-1), SEQ),
    "norm_given": single(lambda K: K.layers.Normalization(mean=2.0, variance=3.0, axis=None), VEC),
    "relu_full": single(lambda K: K.layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.3), VEC),
    "leaky": single(lambda K: K.layers.LeakyReLU(), VEC),
    "prelu": single(lambda K: K.layers.PReLU(shared_axes=[1, 2]), IMG),
    "softmax1": single(lambda K: K.layers.Softmax(axis=1), SEQ),
    "gauss_dropout": single(lambda K: K.layers.GaussianDropout(0.4), VEC),
    "alpha_dropout": single(lambda K: K.layers.AlphaDropout(0.4), VEC),
    "spatial1": single(lambda K: K.layers.SpatialDropout1D(0.4), SEQ),
    "spatial2": single(lambda K: K.layers.SpatialDropout2D(0.4), IMG),
    "rescale": single(lambda K: K.layers.Rescaling(0.5, 0.25), IMG),
    "resize": single(lambda K: K.layers.Resizing(4, 9), IMG),
    "resize_cubic": single(lambda K: K.layers.Resizing(9, 11, interpolation="bicubic"), IMG),
    "resize_lanczos": single(lambda K: K.layers.Resizing(9, 11, interpolation="lanczos3"), IMG),
    "resize_aspect": single(lambda K: K.layers.Resizing(4, 4, crop_to_aspect_ratio=True), IMG),
    "center_crop": single(lambda K: K.layers.CenterCrop(4, 4), IMG),
    "discretize": single(lambda K: K.layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.7]), VEC),
    "add3": single(lambda K: K.layers.Add(), VEC, VEC, VEC),
    "sub": single(lambda K: K.layers.Subtract(), VEC, VEC),
    "mul": single(lambda K: K.layers.Multiply(), SEQ, (1, 4)),
    "avg": single(lambda K: K.layers.Average(), VEC, VEC, VEC),
    "maxi": single(lambda K: K.layers.Maximum(), VEC, VEC),
    "mini": single(lambda K: K.layers.Minimum(), VEC, VEC),
    "cat1": single(lambda K: K.layers.Concatenate(axis=1), SEQ, (2, 4)),
    "dot_axes": single(lambda K: K.layers.Dot(axes=(2, 1)), (3, 4), (4, 5)),
    "dot_norm": single(lambda K: K.layers.Dot(axes=1, normalize=True), VEC, VEC),
    "rnn_simple": single(lambda K: K.layers.SimpleRNN(3, return_sequences=True), SEQ),
    "lstm_back": single(lambda K: K.layers.LSTM(3, go_backwards=True, return_sequences=True), SEQ),
    "lstm_state": single(lambda K: K.layers.LSTM(3, return_state=True, return_sequences=True), SEQ),
    "gru_after": single(lambda K: K.layers.GRU(3, return_sequences=True), SEQ),
    "gru_before": single(lambda K: K.layers.GRU(3, reset_after=False), SEQ),
    "lstm_init": single(
        lambda K: K.layers.LSTM(3),
        SEQ,
        (3,),
        (3,),
        call=lambda K, layer, i: layer(i[0], initial_state=[i[1], i[2]]),
    ),
    "rnn_cells": single(
        lambda K: K.layers.RNN([K.layers.GRUCell(3), K.layers.LSTMCell(2), K.layers.SimpleRNNCell(2)]), SEQ
    ),
    "bi_sum": single(lambda K: K.layers.Bidirectional(K.layers.GRU(3), merge_mode="sum"), SEQ),
    "bi_none": single(
        lambda K: K.layers.Bidirectional(K.layers.LSTM(3, return_sequences=True), merge_mode=None), SEQ
    ),
    "bi_state": single(lambda K: K.layers.Bidirectional(K.layers.LSTM(3, return_state=True)), SEQ),
    "bi_other": single(
        lambda K: K.layers.Bidirectional(K.layers.LSTM(3), backward_layer=K.layers.GRU(2, go_backwards=True)),
        SEQ,
    ),
    "td_conv": single(lambda K: K.layers.TimeDistributed(K.layers.Conv2D(2, 2)), (3, 5, 5, 2)),
    "td_lstm": single(lambda K: K.layers.TimeDistributed(K.layers.LSTM(2)), (3, 5, 2)),
    "td_model": single(
        lambda K: K.layers.TimeDistributed(
            K.Sequential([K.layers.Input((4,)), K.layers.Dense(3), K.layers.Dense(2)])
        ),
        SEQ,
    ),
    "convlstm2d": single(lambda K: K.layers.ConvLSTM2D(2, 2, padding="same"), (3, 4, 5, 2)),
    "convlstm2d_seq": single(
        lambda K: K.layers.ConvLSTM2D(2, 3, strides=2, return_sequences=True), (3, 7, 6, 2)
    ),
    "convlstm1d": single(lambda K: K.layers.ConvLSTM1D(2, 2, return_sequences=True), (3, 5, 2)),
    "convlstm3d": single(lambda K: K.layers.ConvLSTM3D(2, 2, return_state=True), (2, 4, 3, 3, 2)),
    "attention": single(lambda K: K.layers.Attention(), (4, 3), (5, 3)),
    "attention_scale": single(
        lambda K: K.layers.Attention(use_scale=True, score_mode="concat"), (4, 3), (5, 3), (5, 3)
    ),
    "additive": single(lambda K: K.layers.AdditiveAttention(), (4, 3), (5, 3)),
    "mha": single(
        lambda K: K.layers.MultiHeadAttention(2, 3), SEQ, (6, 4), call=lambda K, layer, i: layer(i[0], i[1])
    ),
    "mha_key": single(
        lambda K: K.layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=7),
        SEQ,
        (6, 4),
        (6, 4),
        call=lambda K, layer, i: layer(i[0], i[1], key=i[2]),
    ),
    "mha_causal": single(
        lambda K: K.layers.MultiHeadAttention(2, 3),
        SEQ,
        call=lambda K, layer, i: layer(i[0], i[0], use_causal_mask=True),
    ),
    "mha_axes": single(
        lambda K: K.layers.MultiHeadAttention(2, 3, attention_axes=(2,)),
        (3, 4, 5),
        call=lambda K, layer, i: layer(i[0], i[0]),
    ),
    "einsum_dense": single(
        lambda K: K.layers.EinsumDense("abc,cd->abd", output_shape=(None, 6), bias_axes="d"), SEQ
    ),
    "einsum_dense2": single(
        lambda K: K.layers.EinsumDense("...x,xy->...y", output_shape=6, bias_axes="y", activation="relu"), SEQ
    ),
    "einsum_dense3": single(
        lambda K: K.layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"), SEQ
    ),
    "identity": single(lambda K: K.layers.Identity(), VEC),
    "activity": single(lambda K: K.layers.ActivityRegularization(0.1), VEC),
    "activation": single(lambda K: K.layers.Activation("softplus"), VEC),
    "noise_flip": single(lambda K: K.layers.RandomFlip(), IMG),
    "cat_onehot": single(lambda K: K.layers.CategoryEncoding(5, output_mode="one_hot"), (1,), dtype="int32"),
    "cat_count": single(lambda K: K.layers.CategoryEncoding(5, output_mode="count"), (4,), dtype="int32"),
    "int_lookup": single(lambda K: K.layers.IntegerLookup(vocabulary=[1, 3, 4]), (4,), dtype="int64"),
    "int_lookup_multi": single(
        lambda K: K.layers.IntegerLookup(vocabulary=[1, 3, 4], output_mode="multi_hot"), (4,), dtype="int64"
    ),
}
for name in [
    "elu",
    "selu",
    "relu",
    "relu6",
    "linear",
    "sigmoid",
    "hard_sigmoid",
    "softplus",
    "softsign",
    "tanh",
    "softmax",
    "exponential",
    "gelu",
    "mish",
    "swish",
    "leaky_relu",
    "log_softmax",
    "silu",
]:
    CASES[f"act_{name}"] = act(name)


def _model(name):
    def register(function):
        CASES[name] = function
        return function

    return register


@_model("embed_mask_lstm")
def _(K):
    L = K.layers
    x = L.Input((6,), dtype="int32", name="tokens")
    y = L.Embedding(9, 4, mask_zero=True)(x)
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(y)
    return K.Model(x, L.GRU(2)(y))


@_model("masking_gap")
def _(K):
    L = K.layers
    x = L.Input((6, 3), name="x")
    y = L.Masking(0.0)(x)
    return K.Model(x, [L.GlobalAveragePooling1D()(y), L.SimpleRNN(2, return_sequences=True)(y)])


@_model("mask_attention")
def _(K):
    L = K.layers
    x = L.Input((6,), dtype="int32", name="tokens")
    y = L.Embedding(9, 4, mask_zero=True)(x)
    return K.Model(x, L.MultiHeadAttention(2, 3)(y, y))


@_model("seq_plain")
def _(K):
    L = K.layers
    return K.Sequential([L.Input((8, 8, 1)), L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.BatchNormalization(),
                         L.Flatten(), L.Dense(8, activation="relu"), L.Dropout(0.5), L.Dense(3, activation="softmax")])  # fmt: skip


@_model("seq_nested")
def _(K):
    L = K.layers
    inner = K.Sequential([L.Input((6,)), L.Dense(5, name="d1"), L.Dense(4, name="d2")], name="sub")
    deeper = K.Sequential(
        [L.Input((4,)), K.Sequential([L.Input((4,)), L.Dense(3, name="d1")], name="leaf")], name="deep"
    )
    return K.Sequential([L.Input((6,)), inner, deeper, L.Dense(2, name="d1")])


@_model("shared")
def _(K):
    L = K.layers
    a, z = L.Input((6,), name="a"), L.Input((6,), name="z")
    tower = K.Sequential([L.Input((6,)), L.Dense(5, activation="tanh"), L.Dense(4)], name="tower")
    dense = L.Dense(3, name="both")
    p, q = tower(a), tower(z)
    return K.Model([a, z], [L.Concatenate()([dense(p), dense(q)]), L.Dot(1)([p, q]), p])


@_model("shared_functional")
def _(K):
    L = K.layers
    i = L.Input((4, 4, 2), name="inner_in")
    j = L.Conv2D(3, 2, name="inner_conv")(i)
    inner = K.Model(i, [j, L.GlobalMaxPooling2D()(j)], name="encoder")
    a, z = L.Input((4, 4, 2), name="a"), L.Input((4, 4, 2), name="z")
    return K.Model([a, z], [inner(a)[1], L.Subtract()([inner(a)[0], inner(z)[0]])])


@_model("residual")
def _(K):
    L = K.layers
    x = L.Input(IMG, name="x")
    y = L.Conv2D(4, 3, padding="same", use_bias=False, name="c1")(x)
    y = L.BatchNormalization(name="b1")(y)
    y = L.ReLU(6.0)(y)
    s = L.Conv2D(4, 1, name="short")(x)
    y = L.Add()([L.DepthwiseConv2D(3, padding="same")(y), s])
    return K.Model(x, L.Dense(2)(L.Flatten()(y)))


@_model("channels_first_pool")
def _(K):
    L = K.layers
    x = L.Input((3, 6, 7), name="x")
    y = L.ZeroPadding2D(1, data_format="channels_first")(x)
    y = L.UpSampling2D(2, data_format="channels_first")(y)
    return K.Model(x, L.GlobalAveragePooling2D(data_format="channels_first")(y))


@_model("arith")
def _(K):
    L = K.layers
    x, z = L.Input((6,), name="x"), L.Input((6,), name="z")
    y = (x * 2.0 + z) / 3.0 - 1.0
    y = y[:, 1:5]
    if K is k3:
        o = k3.ops
        y = o.concatenate([o.relu(y), o.exp(-o.abs(y))], axis=-1)
        y = o.reshape(y, (-1, 2, 4))
        return K.Model(
            [x, z], [o.mean(y, axis=1), o.transpose(y, (0, 2, 1)), o.matmul(y, o.transpose(y, (0, 2, 1)))]
        )
    y = tf.concat([tf.nn.relu(y), tf.exp(-tf.abs(y))], axis=-1)
    y = tf.reshape(y, (-1, 2, 4))
    return K.Model(
        [x, z], [tf.reduce_mean(y, axis=1), tf.transpose(y, (0, 2, 1)), tf.matmul(y, y, transpose_b=True)]
    )


@_model("arith2")
def _(K):
    L = K.layers
    x = L.Input((4, 6), name="x")
    if K is k3:
        o = k3.ops
        y = [o.softmax(x, axis=1), o.squeeze(o.expand_dims(x, 1), 1) ** 2, o.where(x > 0, x, x * 0.1), o.clip(x, -0.5, 0.5),
             o.sum(x, axis=-1, keepdims=True), o.max(x, axis=1), x[:, -1, ::2], o.stack([x, -x], axis=1), o.argmax(x, axis=-1),
             o.maximum(x, 0.1), 1.0 - x]  # fmt: skip
    else:
        y = [tf.nn.softmax(x, axis=1), tf.squeeze(tf.expand_dims(x, 1), 1) ** 2, tf.where(x > 0, x, x * 0.1),
             tf.clip_by_value(x, -0.5, 0.5), tf.reduce_sum(x, axis=-1, keepdims=True), tf.reduce_max(x, axis=1), x[:, -1, ::2],
             tf.stack([x, -x], axis=1), tf.argmax(x, axis=-1), tf.maximum(x, 0.1), 1.0 - x]  # fmt: skip
    return K.Model(x, y)


@_model("transformer")
def _(K):
    L = K.layers
    x = L.Input((7,), dtype="int32", name="tokens")
    y = L.Embedding(11, 8)(x)
    a = L.MultiHeadAttention(2, 4)(y, y)
    y = L.LayerNormalization()(L.Add()([y, a]))
    f = L.Dense(16, activation="gelu")(y)
    y = L.LayerNormalization()(L.Add()([y, L.Dense(8)(L.Dropout(0.1)(f))]))
    return K.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y)))


@_model("seq2seq")
def _(K):
    L = K.layers
    a, z = L.Input((5, 3), name="a"), L.Input((4, 3), name="z")
    _, h, c = L.LSTM(4, return_state=True, name="enc")(a)
    y = L.LSTM(4, return_sequences=True, name="dec")(z, initial_state=[h, c])
    return K.Model(
        [a, z], L.TimeDistributed(L.Dense(2))(L.Concatenate()([y, L.Attention()([y, L.RepeatVector(5)(h)])]))
    )


@_model("same_class_names")
def _(K):
    L = K.layers
    return K.Sequential([L.Input((5,)), L.Dense(4, name="dense_1"), L.Dense(4, name="dense"), L.Dense(4, name="dense_2"),
                         L.BatchNormalization(name="z"), L.BatchNormalization(name="a")])  # fmt: skip


@_model("mixed")
def _(K):
    L = K.layers
    i = L.Input((5,), dtype="int32", name="ids")
    f = L.Input((3,), name="feats")
    e = L.Flatten()(L.Embedding(7, 2)(i))
    y = L.Concatenate()([e, L.Normalization(mean=[0.0, 1.0, 2.0], variance=[1.0, 2.0, 3.0])(f)])
    return K.Model({"ids": i, "feats": f}, L.Dense(2)(y))


if hasattr(k2.layers, "LocallyConnected1D"):
    CASES["k2only_local1"] = single(lambda K: K.layers.LocallyConnected1D(3, 2), SEQ)
    CASES["k2only_local2"] = single(lambda K: K.layers.LocallyConnected2D(3, 2, strides=2), IMG)
    CASES["k2only_threshold"] = single(lambda K: K.layers.ThresholdedReLU(0.3), VEC)
CASES["k3only_rms"] = single(lambda K: K.layers.RMSNormalization(), SEQ)
CASES["k3only_ln_rms"] = single(lambda K: K.layers.LayerNormalization(rms_scaling=True), SEQ)
CASES["k3only_gqa"] = single(
    lambda K: K.layers.GroupedQueryAttention(4, 4, 2), SEQ, (6, 4), call=lambda K, layer, i: layer(i[0], i[1])
)
for name in [
    "celu",
    "glu",
    "hard_tanh",
    "hard_shrink",
    "soft_shrink",
    "tanh_shrink",
    "squareplus",
    "sparse_plus",
    "sparsemax",
    "log_sigmoid",
    "hard_silu",
]:
    CASES[f"k3only_act_{name}"] = single(lambda K, name=name: K.layers.Activation(name), VEC)


SOUND = (64, 2)
for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft"):
    CASES[f"k3only_stft_{mode}"] = single(
        lambda K, mode=mode: K.layers.STFTSpectrogram(mode, frame_length=12, expand_dims=mode in "psd imag"),
        SOUND,
    )
CASES["k3only_stft_same"] = single(
    lambda K: K.layers.STFTSpectrogram(
        "magnitude", 10, 3, 16, padding="same", scaling=None, window="hamming"
    ),
    SOUND,
)
CASES["k3only_mel"] = single(
    lambda K: K.layers.MelSpectrogram(fft_length=32, sequence_stride=8, num_mel_bins=6, sampling_rate=400),
    (100,),
)
CASES["k3only_mel_window"] = single(
    lambda K: K.layers.MelSpectrogram(
        64, 10, 40, "hamming", 8000, 5, 100.0, 3000.0, top_db=20.0, mag_exp=1.0, ref_power=2.0
    ),
    (130,),
)
CASES["k3only_mel_power"] = single(
    lambda K: K.layers.MelSpectrogram(
        32, 8, window=None, num_mel_bins=4, sampling_rate=400, power_to_db=False
    ),
    (90,),
)


def tensors(inputs, n=3):
    out = []
    for t in inputs:
        shape = [n if d is None else d for d in t.shape]
        kind = str(getattr(t.dtype, "name", t.dtype))
        x = (
            RNG.choice(["a", "bb", "Ccc, dd.", "the a", "", "\u00e4 bb"], shape)
            if "str" in kind
            else RNG.integers(0, 5, shape).astype("int32")
            if "int" in kind
            else RNG.normal(size=shape).astype("float32")
        )
        if t.name.startswith("x") and len(shape) == 3 and shape[1:] == [6, 3]:
            x[:, 4:] = 0
        out.append(x)
    return out


def jolt(model):
    """Weights that make every path count: none at its initial 0 or 1."""
    model.set_weights([
        (np.abs(RNG.normal(size=w.shape)) + 0.3 if "variance" in v.name else RNG.normal(size=w.shape) * 0.5).astype(w.dtype)
        if w.dtype.kind == "f" else w
        for w, v in zip(model.get_weights(), model.weights)
    ])  # fmt: skip


def flat(y):
    return (
        [v for item in y for v in flat(item)]
        if isinstance(y, (list, tuple))
        else flat(list(y.values()))
        if isinstance(y, dict)
        else [np.asarray(y)]
    )


def run(name, build, out, flags=(), saved=True):
    for label, K in (("k2", k2), ("k3", k3)):
        if f"{'k3' if label == 'k2' else 'k2'}only" in name:
            continue
        try:
            K.backend.clear_session()
            model = build(K)
            jolt(model)
            x = tensors(model.inputs)
            given = [tf.constant(v) if v.dtype.kind == "U" else v for v in x]
            want = flat(model.predict(given if len(given) > 1 else given[0], verbose=0))
        except Exception as error:
            print("SKIP", name, label, type(error).__name__, str(error)[:100])
            continue
        routes = [("h5", "keras"), ("keras", "keras_keras")] if K is k3 else [("h5", "keras")]
        for suffix, form in [*routes, *([("saved", "tf_saved_model")] if saved else [])]:
            target = out / f"{name}__{label}_{suffix}"
            with tempfile.TemporaryDirectory() as temp:
                path = Path(temp) / (f"m.{suffix}" if suffix != "saved" else "saved")
                try:
                    if suffix == "saved":
                        (
                            model.export(path, verbose=False)
                            if K is k3
                            else model.save(str(path), save_format="tf")
                        )
                    else:
                        model.save(str(path))
                    more = ["--output_format=tfjs_layers_model"] if form == "keras_keras" else []
                    more += ["--skip_op_check"] if suffix == "saved" else []
                    convert([*flags, f"--input_format={form}", *more, str(path), str(target)])
                    assert (target / "model.json").exists()
                except BaseException as error:
                    shutil.rmtree(target, ignore_errors=True)
                    print("NOCONV", name, label, suffix, type(error).__name__, str(error)[:100])
                    continue
            for stem, values in (("inputs", x), ("expected", want)):
                for i, value in enumerate(values):
                    value = value.astype("int32") if value.dtype == np.int64 else value
                    value = value.astype("S") if value.dtype.kind == "O" else value
                    np.save(target / f"{stem}{i or ''}.npy", value)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for case, make in CASES.items():
        if len(sys.argv) < 3 or any(word in case for word in sys.argv[2:]):
            try:
                run(case, make, folder)
            except Exception:
                traceback.print_exc()
