"""Further kinds of models than make_layers.py: masks through wrappers, shared sub-models, chains of plain ops, flags of
the converter, functions with control flow. Same layout, same environment.

usage: python make_kinds.py OUT [word ...]
"""

import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
from make_layers import CASES, IMG, SEQ, VEC, convert, jolt, k2, k3, run, single, tensors, tf

CASES.clear()
FLAGS = {}
SAVED = {}


def model(name):
    def register(function):
        CASES[name] = function
        return function

    return register


def sequence(make, shape=SEQ):
    """Masked steps first: zeros stand at the end of every input named x of shape (6, 3)."""

    def build(K):
        x = K.layers.Input((6, 3), name="x")
        return K.Model(x, make(K, K.layers.Masking(0.0)(x)))

    return build


def tokens(make, n=6):
    def build(K):
        x = K.layers.Input((n,), dtype="int32", name="tokens")
        return K.Model(x, make(K, K.layers.Embedding(9, 4, mask_zero=True)(x)))

    return build


L2, L3 = k2.layers, k3.layers
CASES |= {
    "m_bi_sum": tokens(lambda K, y: K.layers.Bidirectional(K.layers.GRU(3), merge_mode="ave")(y)),
    "m_bi_rnn": tokens(lambda K, y: K.layers.Bidirectional(K.layers.RNN(K.layers.LSTMCell(3), return_sequences=True))(y)),
    "m_stack": tokens(lambda K, y: K.layers.RNN([K.layers.LSTMCell(3), K.layers.GRUCell(2)], return_sequences=True)(y)),
    "m_stack_state": tokens(lambda K, y: K.layers.RNN([K.layers.LSTMCell(3), K.layers.GRUCell(2)], return_state=True)(y)),
    "m_zero": tokens(lambda K, y: K.layers.RNN(K.layers.GRUCell(3), return_sequences=True, zero_output_for_mask=True)(y)),
    "m_back": tokens(lambda K, y: K.layers.LSTM(3, go_backwards=True, return_sequences=True)(y)),
    "m_unroll": tokens(lambda K, y: K.layers.LSTM(3, unroll=True, return_sequences=True)(y)),
    "m_state": tokens(lambda K, y: K.layers.LSTM(3, return_state=True)(y)),
    "m_td_dense": tokens(lambda K, y: K.layers.LSTM(2)(K.layers.TimeDistributed(K.layers.Dense(3))(y))),
    "m_dense": tokens(lambda K, y: K.layers.GlobalAveragePooling1D()(K.layers.Dense(3)(y))),
    "m_attention": tokens(lambda K, y: K.layers.Attention()([y, y])),
    "m_attention3": tokens(lambda K, y: K.layers.Attention(use_scale=True)([y, y, y], use_causal_mask=True)),
    "m_additive": tokens(lambda K, y: K.layers.AdditiveAttention()([y, y])),
    "m_mha": tokens(lambda K, y: K.layers.MultiHeadAttention(2, 3)(y, y, use_causal_mask=True)),
    "m_mha_scores": tokens(lambda K, y: list(K.layers.MultiHeadAttention(2, 3)(y, y, return_attention_scores=True))),
    "m_mha_gap": tokens(lambda K, y: K.layers.GlobalAveragePooling1D()(K.layers.MultiHeadAttention(2, 3)(y, y))),
    "m_concat": tokens(lambda K, y: K.layers.GRU(2)(K.layers.Concatenate()([y, K.layers.Dense(2)(y)]))),
    "m_add": tokens(lambda K, y: K.layers.GRU(2)(K.layers.Add()([y, K.layers.Activation("tanh")(y)]))),
    "m_mul": tokens(lambda K, y: K.layers.GRU(2)(K.layers.Multiply()([y, K.layers.Dropout(0.1)(y)]))),
    "m_ln": tokens(lambda K, y: K.layers.GRU(2)(K.layers.LayerNormalization()(y))),
    "m_bn": tokens(lambda K, y: K.layers.GRU(2)(K.layers.BatchNormalization()(y))),
    "m_conv_drop": tokens(lambda K, y: K.layers.Flatten()(K.layers.Dense(2)(y))),
    "m_softmax": tokens(lambda K, y: K.layers.Softmax(axis=1)(K.layers.Dense(1)(y))),
    "m_nested": tokens(lambda K, y: K.layers.LSTM(2)(K.Sequential([K.layers.Input((None, 4)), K.layers.Dense(3), K.layers.Dropout(0.1)])(y))),
    "m_nested_lstm": tokens(lambda K, y: K.Sequential([K.layers.Input((None, 4)), K.layers.LSTM(3, return_sequences=True), K.layers.GRU(2)])(y)),
    "m_repeat": tokens(lambda K, y: K.layers.RepeatVector(3)(K.layers.GRU(2)(y))),
    "m_masking_bi": sequence(lambda K, y: K.layers.Bidirectional(K.layers.LSTM(3, return_sequences=True), merge_mode="mul")(y)),
    "m_masking_stack": sequence(lambda K, y: K.layers.LSTM(2)(K.layers.LSTM(3, return_sequences=True)(y))),
    "m_masking_td": sequence(lambda K, y: K.layers.TimeDistributed(K.layers.Dense(2))(y)),
    "m_convlstm": single(lambda K: K.layers.Bidirectional(K.layers.ConvLSTM2D(2, 2, return_sequences=True)), (3, 4, 5, 2)),
    "td_bi": single(lambda K: K.layers.TimeDistributed(K.layers.Bidirectional(K.layers.LSTM(2))), (3, 5, 2)),
    "td_td": single(lambda K: K.layers.TimeDistributed(K.layers.TimeDistributed(K.layers.Dense(3))), (3, 5, 2)),
    "td_bn": single(lambda K: K.layers.TimeDistributed(K.layers.BatchNormalization()), (3, 5, 2)),
    "td_pool": single(lambda K: K.layers.TimeDistributed(K.layers.GlobalMaxPooling2D()), (3, 4, 5, 2)),
    "td_sep": single(lambda K: K.layers.TimeDistributed(K.layers.SeparableConv2D(3, 2)), (3, 4, 5, 2)),
    "td_flatten": single(lambda K: K.layers.TimeDistributed(K.layers.Flatten()), (3, 4, 2)),
    "lstm_plain": single(lambda K: K.layers.LSTM(3, use_bias=False, activation="relu", recurrent_activation="hard_sigmoid"), SEQ),
    "lstm_unroll": single(lambda K: K.layers.LSTM(3, unroll=True, return_sequences=True), SEQ),
    "gru_plain": single(lambda K: K.layers.GRU(3, use_bias=False, reset_after=False, activation="selu", go_backwards=True), SEQ),
    "gru_after_nobias": single(lambda K: K.layers.GRU(3, use_bias=False), SEQ),
    "rnn_lstmcell": single(lambda K: K.layers.RNN(K.layers.LSTMCell(3), return_state=True, return_sequences=True), SEQ),
    "rnn_stacked_cells": single(lambda K: K.layers.RNN(K.layers.StackedRNNCells([K.layers.LSTMCell(3), K.layers.LSTMCell(2)])), SEQ),
    "rnn_stack_back": single(lambda K: K.layers.RNN([K.layers.GRUCell(3), K.layers.GRUCell(2)], go_backwards=True, return_sequences=True), SEQ),
    "bi_concat_state": single(lambda K: K.layers.Bidirectional(K.layers.GRU(3, return_state=True, return_sequences=True)), SEQ),
    "bi_bi": lambda K: K.Sequential([K.layers.Input(SEQ), K.layers.Bidirectional(K.layers.LSTM(2, return_sequences=True)), K.layers.Bidirectional(K.layers.LSTM(3), merge_mode="mul")]),
    "convlstm_plain": single(lambda K: K.layers.ConvLSTM2D(2, (2, 3), use_bias=False, dilation_rate=2, return_state=True), (3, 6, 7, 2)),
    "convlstm_act": single(lambda K: K.layers.ConvLSTM2D(2, 2, activation="relu", recurrent_activation="sigmoid", go_backwards=True), (3, 4, 5, 2)),
    "convlstm_stack": lambda K: K.Sequential([K.layers.Input((3, 5, 5, 1)), K.layers.ConvLSTM2D(2, 2, padding="same", return_sequences=True), K.layers.BatchNormalization(), K.layers.ConvLSTM2D(3, 2), K.layers.Flatten()]),
    "sep1d_stride": single(lambda K: K.layers.SeparableConv1D(4, 3, strides=2, activation="relu", use_bias=False), (9, 4)),
    "sep1d_dil": single(lambda K: K.layers.SeparableConv1D(4, 3, dilation_rate=2, padding="same"), (9, 4)),
    "sep1d_causal": single(lambda K: K.layers.SeparableConv1D(4, 3, padding="causal"), (9, 4)),
    "sep2d_dil": single(lambda K: K.layers.SeparableConv2D(4, 3, dilation_rate=2, use_bias=False), (9, 8, 3)),
    "dw1d_dil": single(lambda K: K.layers.DepthwiseConv1D(3, dilation_rate=2, padding="same", activation="relu"), (9, 4)),
    "dw2d_plain": single(lambda K: K.layers.DepthwiseConv2D((3, 2), use_bias=False, activation="tanh"), IMG),
    "conv2d_dil_same": single(lambda K: K.layers.Conv2D(4, 3, dilation_rate=(2, 3), padding="same", activation="selu"), (9, 8, 3)),
    "conv2d_t_dil": single(lambda K: K.layers.Conv2DTranspose(3, 3, dilation_rate=2), IMG),
    "conv2d_t_stride4": single(lambda K: K.layers.Conv2DTranspose(3, 2, strides=4, padding="same", use_bias=False), IMG),
    "conv1d_t_dil": single(lambda K: K.layers.Conv1DTranspose(3, 3, dilation_rate=2), SEQ),
    "conv3d_dil": single(lambda K: K.layers.Conv3D(3, 2, dilation_rate=(1, 2, 1)), (4, 5, 4, 2)),
    "conv3d_groups": single(lambda K: K.layers.Conv3D(4, 2, groups=2, activation="relu"), (4, 5, 4, 2)),
    "conv_leaky": single(lambda K: K.layers.Conv2D(4, 3, activation=K.layers.LeakyReLU(0.2) if K is k2 else "leaky_relu"), IMG),
    "gn_axis1": single(lambda K: K.layers.GroupNormalization(groups=2, axis=1, epsilon=0.01), (4, 5, 6)),
    "gn_plain": single(lambda K: K.layers.GroupNormalization(groups=3, scale=False, center=False), (4, 6)),
    "gn_vec": single(lambda K: K.layers.GroupNormalization(groups=3), VEC),
    "gn_instance": single(lambda K: K.layers.GroupNormalization(groups=6, center=False), (4, 5, 6)),
    "ln_axes": single(lambda K: K.layers.LayerNormalization(axis=[1, 2], center=False, epsilon=0.1), (4, 5, 6)),
    "ln_first": single(lambda K: K.layers.LayerNormalization(axis=1, scale=False), (4, 5, 6)),
    "bn_axis1": single(lambda K: K.layers.BatchNormalization(axis=1, epsilon=0.1), IMG),
    "unit_axes": single(lambda K: K.layers.UnitNormalization(axis=[1, 2]), SEQ),
    "spectral": single(lambda K: K.layers.SpectralNormalization(K.layers.Dense(3)), VEC),
    "spectral_conv": single(lambda K: K.layers.SpectralNormalization(K.layers.Conv2D(3, 2)), IMG),
    "mha_nobias": single(lambda K: K.layers.MultiHeadAttention(2, 3, use_bias=False, dropout=0.2), SEQ, (6, 4), call=lambda K, l, i: l(i[0], i[1])),
    "mha_given_mask": single(lambda K: K.layers.MultiHeadAttention(2, 3), SEQ, (5, 5), call=lambda K, l, i: l(i[0], i[0], attention_mask=i[1] > 0)),
    "mha_rank4": single(lambda K: K.layers.MultiHeadAttention(2, 3), (3, 4, 5), (2, 4, 5), call=lambda K, l, i: l(i[0], i[1])),
    "mha_out2": single(lambda K: K.layers.MultiHeadAttention(3, 2, value_dim=4, output_shape=(2, 3)), SEQ, call=lambda K, l, i: l(i[0], i[0])),
    "att_scores": single(lambda K: K.layers.Attention(dropout=0.1), (4, 3), (5, 3), call=lambda K, l, i: list(l(i, return_attention_scores=True))),
    "norm_axis": single(lambda K: K.layers.Normalization(axis=-1, mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 4.0, 9.0, 0.5]), SEQ),
    "norm_axes": single(lambda K: K.layers.Normalization(axis=(1, 2), mean=np.arange(20.0).reshape(5, 4).tolist(), variance=(1 + np.arange(20.0)).reshape(5, 4).tolist()), SEQ),
    "norm_invert": single(lambda K: K.layers.Normalization(axis=-1, mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 4.0, 9.0, 0.5], invert=True), SEQ),
    "rescale_list": single(lambda K: K.layers.Rescaling([0.5, 1.0, 2.0], [0.0, 1.0, -1.0]), IMG),
    "crop_large": single(lambda K: K.layers.CenterCrop(9, 10), IMG),
    "crop_odd": single(lambda K: K.layers.CenterCrop(3, 4), IMG),
    "resize_area": single(lambda K: K.layers.Resizing(3, 4, interpolation="area"), IMG),
    "resize_near": single(lambda K: K.layers.Resizing(9, 3, interpolation="nearest"), IMG),
    "resize_gauss": single(lambda K: K.layers.Resizing(9, 3, interpolation="gaussian"), IMG),
    "k3only_resize_pad": single(lambda K: K.layers.Resizing(9, 9, pad_to_aspect_ratio=True), IMG),
    "rand_zoom": single(lambda K: K.layers.RandomZoom(0.2), IMG),
    "rand_rot": single(lambda K: K.layers.RandomRotation(0.2), IMG),
    "rand_crop": single(lambda K: K.layers.RandomCrop(4, 5), IMG),
    "rand_bright": single(lambda K: K.layers.RandomBrightness(0.2), IMG),
    "rand_contrast": single(lambda K: K.layers.RandomContrast(0.2), IMG),
    "rand_trans": single(lambda K: K.layers.RandomTranslation(0.2, 0.2), IMG),
    "k3only_autocontrast": single(lambda K: K.layers.AutoContrast(value_range=(0, 1)), IMG),
    "k3only_solarize": single(lambda K: K.layers.Solarization(value_range=(0, 1)), IMG),
    "k3only_equalize": single(lambda K: K.layers.Equalization(value_range=(0, 1)), IMG),
    "k3only_augmix": single(lambda K: K.layers.RandomGrayscale(0.5), IMG),
    "disc_onehot": single(lambda K: K.layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.7], output_mode="one_hot"), (1,)),
    "disc_multi": single(lambda K: K.layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.7], output_mode="multi_hot"), VEC),
    "disc_count": single(lambda K: K.layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.7], output_mode="count"), VEC),
    "cat_multi": single(lambda K: K.layers.CategoryEncoding(6, output_mode="multi_hot"), (4,), dtype="int32"),
    "int_lookup_mask": single(lambda K: K.layers.IntegerLookup(vocabulary=[1, 3, 4], mask_token=0), (4,), dtype="int64"),
    "int_lookup_oov3": single(lambda K: K.layers.IntegerLookup(vocabulary=[1, 3], num_oov_indices=3), (4,), dtype="int64"),
    "int_lookup_onehot": single(lambda K: K.layers.IntegerLookup(vocabulary=[0, 1, 2, 3, 4], num_oov_indices=0, output_mode="one_hot"), (1,), dtype="int64"),
    "int_lookup_count": single(lambda K: K.layers.IntegerLookup(vocabulary=[1, 3, 4], output_mode="count"), (4,), dtype="int64"),
    "hash_int": single(lambda K: K.layers.Hashing(4), (4,), dtype="int64"),
    "hash_int_salt": single(lambda K: K.layers.Hashing(5, salt=133), (4,), dtype="int64"),
    "hash_int_mask": single(lambda K: K.layers.Hashing(5, mask_value=0, output_mode="int"), (4,), dtype="int64"),
    "hash_cross": single(lambda K: K.layers.HashedCrossing(6), (1,), (1,), dtype="int64"),
    "w_lookup": single(lambda K: K.layers.StringLookup(vocabulary=["a", "bb"]), (3,), dtype="string"),
    "w_lookup_oov": single(lambda K: K.layers.StringLookup(vocabulary=["a", "bb"], num_oov_indices=3, mask_token=""), (3,), dtype="string"),
    "w_lookup_hot": single(lambda K: K.layers.StringLookup(vocabulary=["a", "bb"], output_mode="multi_hot"), (3,), dtype="string"),
    "w_lookup_tfidf": single(lambda K: K.layers.StringLookup(vocabulary=["a", "bb"], output_mode="tf_idf", idf_weights=[0.5, 2.0]), (3,), dtype="string"),
    "w_lookup_invert": single(lambda K: K.layers.StringLookup(vocabulary=["a", "bb"], invert=True), (3,), dtype="int64"),
    "w_hash": single(lambda K: K.layers.Hashing(7), (3,), dtype="string"),
    "w_hash_salt": single(lambda K: K.layers.Hashing(7, salt=[133, 137], mask_value=""), (3,), dtype="string"),
    "w_hash_hot": single(lambda K: K.layers.Hashing(4, output_mode="one_hot"), (1,), dtype="string"),
    "w_cross": single(lambda K: K.layers.HashedCrossing(9), (1,), (1,), dtype="string"),
    "w_text": single(lambda K: K.layers.TextVectorization(vocabulary=["a", "bb", "dd", "the"], output_sequence_length=4), (1,), dtype="string"),
    "w_text_hot": single(lambda K: K.layers.TextVectorization(vocabulary=["a", "bb", "the a"], ngrams=2, output_mode="multi_hot"), (1,), dtype="string"),
    "w_text_count": single(lambda K: K.layers.TextVectorization(vocabulary=["a", "b", "d"], split="character", standardize="lower", output_mode="count", max_tokens=6, pad_to_max_tokens=True), (1,), dtype="string"),
    "w_text_tfidf": single(lambda K: K.layers.TextVectorization(vocabulary=["a", "bb", "dd"], output_mode="tf_idf", idf_weights=[0.5, 2.0, 1.0]), (1,), dtype="string"),
    "w_text_net": lambda K: K.Sequential([K.layers.Input((1,), dtype="string"), K.layers.TextVectorization(vocabulary=["a", "bb", "dd"], output_sequence_length=4), K.layers.Embedding(6, 3, mask_zero=True), K.layers.LSTM(2), K.layers.Dense(2)]),
    "emb_reg": lambda K: K.Sequential([K.layers.Input((4,), dtype="int32"), K.layers.Embedding(9, 3, embeddings_regularizer="l2", embeddings_constraint="unit_norm"), K.layers.Flatten()]),
    "dense_reg": single(lambda K: K.layers.Dense(3, kernel_regularizer="l1_l2", bias_constraint="non_neg", kernel_initializer=K.initializers.VarianceScaling(2.0, "fan_out", "normal")), VEC),
    "einsum_high": single(lambda K: K.layers.EinsumDense("abcd,cde->abe", output_shape=(None, 6), bias_axes="e"), (3, 4, 5)),
    "einsum_dots": single(lambda K: K.layers.EinsumDense("...xy,xyz->...z", output_shape=(6,), bias_axes="z"), (3, 4, 5)),
    "dot_neg": single(lambda K: K.layers.Dot(axes=-1), (3, 4), (5, 4)),
    "dot_same": single(lambda K: K.layers.Dot(axes=(1, 1)), (3, 4), (3, 5)),
    "cat_neg": single(lambda K: K.layers.Concatenate(axis=-2), SEQ, (2, 4)),
    "prelu_plain": single(lambda K: K.layers.PReLU(), SEQ),
    "softmax_axes": single(lambda K: K.layers.Softmax(axis=[1, 2]), SEQ),
    "flatten_rank1": single(lambda K: K.layers.Flatten(), VEC),
    "reshape_infer": single(lambda K: K.layers.Reshape((-1, 3)), IMG),
    "avgp1_same": single(lambda K: K.layers.AveragePooling1D(3, strides=2, padding="same"), SEQ),
    "gap1_cf": single(lambda K: K.layers.GlobalAveragePooling1D(data_format="channels_first", keepdims=True), SEQ),
    "gmp2_cf": single(lambda K: K.layers.GlobalMaxPooling2D(data_format="channels_first"), IMG),
    "permute_vec": single(lambda K: K.layers.Permute((2, 1)), SEQ),
    "k3only_adaptive": single(lambda K: K.layers.AdaptiveAveragePooling2D((2, 3)), IMG),
    "k3only_adaptive_max": single(lambda K: K.layers.AdaptiveMaxPooling1D(3), SEQ),
    "k3only_revemb": lambda K: K.Sequential([K.layers.Input((4,), dtype="int32"), K.layers.ReversibleEmbedding(9, 3)]),
    "k3only_stft": single(lambda K: K.layers.STFTSpectrogram(mode="magnitude", frame_length=8, frame_step=4, fft_length=8), (32, 1)),
    "k3only_mel": single(lambda K: K.layers.MelSpectrogram(fft_length=16, sequence_stride=8, num_mel_bins=4), (64,)),
    "k3only_rms_axis": single(lambda K: K.layers.RMSNormalization(axis=(1, 2), epsilon=0.1), (4, 5, 6)),
    "k3only_gqa_mask": single(lambda K: K.layers.GroupedQueryAttention(4, 4, 2, use_bias=False), SEQ, call=lambda K, l, i: l(i[0], i[0], use_causal_mask=True)),
    "k3only_act_layer": single(lambda K: K.layers.Dense(4, activation=K.layers.ReLU(3.0)), VEC),
}  # fmt: skip


@model("s_no_input")
def _(K):
    m = K.Sequential([K.layers.Dense(4, activation="relu", name="one"), K.layers.Dense(2)])
    m.build((None, 6))
    if K is k3:
        return m
    return K.Sequential([K.layers.Dense(4, input_shape=(6,)), K.layers.Dense(2)])


@model("s_embedding")
def _(K):
    more = {"input_length": 5} if K is k2 else {}
    first = [K.layers.Input((5,), dtype="int32")] if K is k3 else []
    return K.Sequential(
        [*first, K.layers.Embedding(9, 3, **more), K.layers.Conv1D(4, 2), K.layers.GlobalMaxPooling1D()]
    )


@model("s_stateful")
def _(K):
    i = (
        K.layers.Input(batch_shape=(3, 5, 4), name="seq")
        if K is k3
        else K.layers.Input(batch_shape=(3, 5, 4))
    )
    return K.Model(i, K.layers.LSTM(3, stateful=True)(i))


@model("n_twice")
def _(K):
    L = K.layers
    inner = K.Sequential([L.Input((4,)), L.Dense(4, name="d")], name="inner")
    i = L.Input((4,))
    mid = K.Model(i, L.Add()([inner(i), inner(inner(i))]), name="mid")
    x = L.Input((4,), name="x")
    return K.Model(x, [mid(x), inner(x), mid(mid(x))])


@model("n_deep")
def _(K):
    L = K.layers
    shared = L.Dense(3, name="shared")
    i = L.Input((3,))
    inner = K.Model(i, shared(i), name="inner")
    j = L.Input((3,))
    mid = K.Model(j, [inner(j), shared(inner(j))], name="mid")
    x = L.Input((3,), name="x")
    a, b = mid(x)
    return K.Model(x, L.Concatenate()([a, b, shared(x)]))


@model("n_multi")
def _(K):
    L = K.layers
    p, q = L.Input((4,), name="p"), L.Input((5,), name="q")
    inner = K.Model(
        [p, q], [L.Dense(3, name="a")(p), L.Dense(2, name="b")(q), L.Concatenate()([p, q])], name="inner"
    )
    x, z = L.Input((4,), name="one"), L.Input((5,), name="two")
    a, b, c = inner([x, z])
    return K.Model([x, z], [c, a, L.Dense(2)(b)])


@model("n_seq_in_seq_td")
def _(K):
    L = K.layers
    cnn = K.Sequential(
        [L.Input((6, 6, 1)), L.Conv2D(2, 3), L.BatchNormalization(), L.ReLU(), L.Flatten()], name="cnn"
    )
    return K.Sequential(
        [L.Input((3, 6, 6, 1)), L.TimeDistributed(cnn), L.Bidirectional(L.LSTM(2)), L.Dense(2)]
    )


@model("n_mobilenet_block")
def _(K):
    L = K.layers
    x = L.Input((8, 8, 3), name="x")
    y = L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(L.ZeroPadding2D(((0, 1), (0, 1)))(x))
    y = L.BatchNormalization(momentum=0.999, epsilon=1e-3)(y)
    y = L.Activation("relu6")(y)
    s = L.GlobalAveragePooling2D(keepdims=True)(y)
    s = L.Conv2D(8, 1, activation="hard_sigmoid")(L.Conv2D(2, 1, activation="relu")(s))
    y = L.Multiply()([y, s])
    return K.Model(x, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(y)))


@model("n_pass_through")
def _(K):
    x, z = K.layers.Input((4,), name="x"), K.layers.Input((3,), name="z")
    return K.Model([x, z], [K.layers.Dense(2)(x), z])


@model("n_unet")
def _(K):
    L = K.layers
    x = L.Input((8, 8, 2), name="x")
    a = L.Conv2D(3, 3, padding="same", activation="relu")(x)
    y = L.Conv2D(4, 3, padding="same", activation="elu")(L.MaxPooling2D()(a))
    y = L.Conv2DTranspose(3, 2, strides=2, padding="same")(y)
    y = L.Concatenate()([a, y])
    return K.Model(x, L.Conv2D(1, 1, activation="sigmoid")(L.UpSampling2D(interpolation="bilinear")(y)))


@model("o_ops1")
def _(K):
    x = K.layers.Input((4, 6), name="x")
    if K is k2:
        y = [tf.gather(x, [2, 0], axis=1), tf.einsum("bij,bkj->bik", x, x), *tf.split(x, 3, axis=2), *tf.unstack(x, axis=1),
             tf.pad(x, [[0, 0], [1, 2], [0, 1]]), tf.tile(x, [1, 2, 1]), tf.one_hot(tf.argmax(x, -1), 6), tf.cumsum(x, axis=1),
             tf.sort(x, axis=-1), *tf.math.top_k(x, 2), tf.nn.l2_normalize(x, -1), tf.math.reduce_std(x, axis=1),
             tf.math.reduce_logsumexp(x, -1), tf.reverse(x, [1]), tf.roll(x, 1, axis=1), tf.cast(x > 0.1, tf.float32)]  # fmt: skip
    else:
        o = k3.ops
        y = [o.take(x, [2, 0], axis=1), o.einsum("bij,bkj->bik", x, x), *o.split(x, 3, axis=2), *o.unstack(x, axis=1),
             o.pad(x, [[0, 0], [1, 2], [0, 1]]), o.tile(x, [1, 2, 1]), o.one_hot(o.argmax(x, -1), 6), o.cumsum(x, axis=1),
             o.sort(x, axis=-1), *o.top_k(x, 2), o.normalize(x, -1), o.std(x, axis=1),
             o.logsumexp(x, -1), o.flip(x, 1), o.roll(x, 1, axis=1), o.cast(x > 0.1, "float32")]  # fmt: skip
    return K.Model(x, y)


@model("o_ops2")
def _(K):
    x = K.layers.Input((4, 6), name="x")
    if K is k2:
        y = [tf.reduce_prod(x, 1), tf.reduce_min(x, [1, 2]), tf.math.erf(x), tf.nn.gelu(x), tf.nn.leaky_relu(x, 0.3), tf.nn.elu(x),
             tf.nn.softplus(x), tf.math.log(tf.abs(x) + 1.0), tf.math.rsqrt(tf.square(x) + 1.0), tf.math.floor(x), tf.round(x * 3.0),
             tf.math.sign(x), tf.pow(tf.abs(x), 1.5), tf.math.atan2(x, 2.0), tf.minimum(x, 0.2), tf.where(x > 0.0, x, tf.zeros_like(x)),
             tf.math.squared_difference(x, 1.0), x[..., tf.newaxis, 1:3], x[:, ::-1], x[:, 1], -x, abs(x), x ** 2.0, 2.0 ** x, x // 0.5, x % 0.7,
             tf.stack([x[:, 0], x[:, 1]], axis=-1), tf.linalg.matmul(x, x, transpose_a=True), tf.math.l2_normalize(x, axis=1)]  # fmt: skip
    else:
        o = k3.ops
        y = [o.prod(x, 1), o.min(x, [1, 2]), o.erf(x), o.gelu(x), o.leaky_relu(x, 0.3), o.elu(x),
             o.softplus(x), o.log(o.abs(x) + 1.0), o.rsqrt(o.square(x) + 1.0), o.floor(x), o.round(x * 3.0),
             o.sign(x), o.power(o.abs(x), 1.5), o.arctan2(x, 2.0), o.minimum(x, 0.2), o.where(x > 0.0, x, o.zeros_like(x)),
             x[..., None, 1:3], x[:, ::-1], x[:, 1], -x, abs(x), x ** 2.0, 2.0 ** x, x // 0.5, x % 0.7,
             o.stack([x[:, 0], x[:, 1]], axis=-1), o.matmul(o.transpose(x, (0, 2, 1)), x), o.var(x, axis=1)]  # fmt: skip
    return K.Model(x, y)


@model("o_ops4")
def _(K):
    x = K.layers.Input((4, 6), name="x")
    if K is k2:
        m = tf.math
        t = tf.tanh(x)
        y = [m.acos(t), m.asin(t), m.atan(x), m.acosh(tf.abs(x) + 1.0), m.asinh(x), m.atanh(t * 0.9), m.ceil(x), m.cos(x), m.cosh(x),
             m.sin(x), m.sinh(x), m.tan(x), m.is_finite(x), m.is_inf(x), m.reciprocal(x), m.reciprocal_no_nan(x), m.sqrt(tf.abs(x)),
             m.logical_not(x > 0.0), m.logical_xor(x > 0.0, x < 1.0), x >= 0.3, x <= 0.3, x < 0.1, m.equal(x, t), m.not_equal(x, t),
             m.greater_equal(x, t), m.less_equal(t, x), m.greater(t, x), m.less(t, x), tf.reduce_all(x > -1.0, axis=1), tf.reduce_max(x, 2),
             tf.reduce_sum(x, [1, 2], keepdims=True), tf.argmin(x, 2), tf.nn.avg_pool1d(x, 2, 2, "VALID"), tf.nn.max_pool1d(x, 3, 1, "SAME"),
             tf.nn.avg_pool(x[..., None], 2, 2, "SAME"), m.divide(x, 3.0), m.subtract(t, x), m.multiply(x, t), m.floordiv(x, 0.3),
             tf.realdiv(x, t), m.negative(x), tf.identity(x), tf.stop_gradient(t), tf.nn.swish(x), tf.linalg.matmul(x, t, transpose_b=True),
             tf.linalg.band_part(x, 1, 0), tf.linalg.band_part(x, -1, 1), tf.linalg.band_part(x, 0, -1)]  # fmt: skip
    else:
        o = k3.ops
        t = o.tanh(x)
        y = [o.arccos(t), o.arcsin(t), o.arctan(x), o.arccosh(o.abs(x) + 1.0), o.arcsinh(x), o.arctanh(t * 0.9), o.ceil(x), o.cos(x),
             o.cosh(x), o.sin(x), o.sinh(x), o.tan(x), o.isfinite(x), o.isinf(x), o.reciprocal(x), o.sqrt(o.abs(x)), o.logical_not(x > 0.0),
             o.logical_xor(x > 0.0, x < 1.0), o.greater_equal(x, t), o.less_equal(x, t), o.not_equal(x, t), o.all(x > -1.0, axis=1), o.amax(x, 2),
             o.amin(x, 1), o.mean(x, (1, 2)), o.argmin(x, 2), o.argmax(x, 1), o.divide(x, t), o.stop_gradient(t), o.outer(o.mean(x, (0, 1)), o.max(x, (0, 1))),
             o.celu(x, 1.5), o.glu(x), o.hard_shrink(x, 0.4), o.soft_shrink(x, 0.4), o.hard_silu(x), o.hard_tanh(x), o.log_sigmoid(x), o.sparse_plus(x),
             o.sparse_sigmoid(x), o.sparsemax(x), o.squareplus(x, 2.0), o.tanh_shrink(x), o.threshold(x, 0.3, -2.0), o.swish(x), o.full_like(x, 2.5),
             o.tril(x, 1), o.triu(x, -1), o.tril(x, -2), o.triu(x), o.max(x, 1, keepdims=True), o.std(x, 2)]  # fmt: skip
    return K.Model(x, y)


@model("o_ops3")
def _(K):
    x = K.layers.Input((4, 6), name="x")
    if K is k2:
        n = tf.shape(x)[0]
        y = [tf.reshape(x, [n, 24]), tf.reshape(x, (-1, 3, 8)), tf.broadcast_to(x[:, :1], tf.shape(x)), tf.ones_like(x) + x,
             tf.concat([x, tf.zeros([n, 1, 6])], axis=1), tf.fill([n, 2], 3.0) + x[:, 0, :2], tf.transpose(x, [0, 2, 1]),
             tf.expand_dims(x, -1), tf.squeeze(tf.expand_dims(x, 1), [1]), tf.logical_and(x > 0.0, x < 1.0), tf.equal(x, x),
             tf.clip_by_value(x, -1.0, 1.0), tf.sigmoid(x), tf.tanh(x), tf.nn.relu6(x), tf.nn.silu(x), tf.nn.log_softmax(x),
             tf.add_n([x, x, x]), tf.math.divide_no_nan(x, x), tf.math.cumprod(x, axis=-1, exclusive=True), tf.repeat(x, 2, axis=1),
             tf.tensordot(x, tf.ones((6, 2)), 1), tf.reduce_any(x > 1.0, axis=1), tf.math.is_nan(x), tf.nn.softmax(x / 2.0),
             tf.image.resize(x[..., None], (8, 3)), tf.nn.avg_pool2d(x[..., None], 2, 2, "VALID"), tf.nn.max_pool2d(x[..., None], 2, 1, "SAME"),
             tf.strided_slice(x, [0, 1, 0], [3, 4, 6], [1, 2, 3]), tf.slice(x, [0, 1, 2], [-1, 2, 3]), tf.math.add(x, 1.0), tf.math.subtract(1.0, x),
             tf.math.reduce_variance(x, axis=[1]), tf.norm(x, axis=-1), tf.linalg.band_part(x, 1, 0)]  # fmt: skip
    else:
        o = k3.ops
        y = [o.reshape(x, (-1, 24)), o.broadcast_to(x[:, :1], (3, 4, 6)), o.ones_like(x) + x, o.swapaxes(x, 1, 2), o.moveaxis(x, 2, 1),
             o.expand_dims(x, -1), o.logical_and(x > 0.0, x < 1.0), o.equal(x, x), o.sigmoid(x), o.tanh(x), o.relu6(x), o.silu(x),
             o.log_softmax(x), o.cumprod(x, axis=-1), o.repeat(x, 2, axis=1), o.tensordot(x, np.ones((6, 2), "float32"), 1),
             o.any(x > 1.0, axis=1), o.isnan(x), o.image.resize(x[..., None], (8, 3)), o.average_pool(x[..., None], 2, 2),
             o.max_pool(x[..., None], 2, 1, "same"), o.slice(x, (0, 1, 2), (1, 2, 3)), o.norm(x, axis=-1), o.tril(x), o.triu(x, 1),
             o.add(x, 1.0), o.subtract(1.0, x), o.hard_sigmoid(x), o.selu(x), o.softsign(x), o.log1p(o.abs(x)), o.expm1(x),
             o.floor_divide(x, 0.5), o.mod(x, 0.7), o.count_nonzero(x, axis=1), o.median(x, axis=1), o.diff(x, axis=1), o.ravel(x),
             o.squeeze(o.expand_dims(x, 1), 1), o.dot(x, np.ones((6, 2), "float32")), o.clip(x, -1, 1), o.maximum(x, x * 0.5), o.concatenate([x, x], 1)]  # fmt: skip
    return K.Model(x, y)


@model("o_attention_by_hand")
def _(K):
    L = K.layers
    x = L.Input((5, 8), name="x")
    q, k, v = (L.Dense(8, name=n)(x) for n in "qkv")
    if K is k2:
        heads = [tf.transpose(tf.reshape(t, [-1, 5, 2, 4]), [0, 2, 1, 3]) for t in (q, k, v)]
        s = tf.nn.softmax(tf.matmul(heads[0], heads[1], transpose_b=True) / 2.0, axis=-1)
        y = tf.reshape(tf.transpose(tf.matmul(s, heads[2]), [0, 2, 1, 3]), [-1, 5, 8])
    else:
        o = k3.ops
        heads = [o.transpose(o.reshape(t, (-1, 5, 2, 4)), (0, 2, 1, 3)) for t in (q, k, v)]
        s = o.softmax(o.matmul(heads[0], o.transpose(heads[1], (0, 1, 3, 2))) / 2.0, axis=-1)
        y = o.reshape(o.transpose(o.matmul(s, heads[2]), (0, 2, 1, 3)), (-1, 5, 8))
    return K.Model(x, L.LayerNormalization()(x + y))


@model("o_position")
def _(K):
    L = K.layers
    x = L.Input((5,), dtype="int32", name="tokens")
    table = np.linspace(-1, 1, 20).reshape(1, 5, 4).astype("float32")
    y = L.Embedding(9, 4)(x) + table
    y = y * (tf.cast(x > 0, tf.float32)[..., None] if K is k2 else k3.ops.cast(x > 0, "float32")[..., None])
    return K.Model(x, y)


def compiled(K):
    L = K.layers
    m = K.Sequential(
        [
            L.Input((6, 6, 1)),
            L.Conv2D(4, 3, name="conv"),
            L.BatchNormalization(),
            L.Flatten(),
            L.Dense(3, name="head"),
        ]
    )
    m.compile("adam", "mse", metrics=["mae"])
    m.fit(np.zeros((4, 6, 6, 1)), np.zeros((4, 3)), verbose=0)
    return m


for flag, value in {
    "f_split": ["--split_weights_by_layer", "--weight_shard_size_bytes=64"],
    "f_shards": ["--weight_shard_size_bytes=7"],
    "f_u8": ["--quantize_uint8"],
    "f_uint16": ["--quantize_uint16"],
    "f_float16": ["--quantize_float16"],
    "f_patterns_mixq": ["--quantize_uint8=*conv*", "--quantize_float16=*head*"],
    "f_one_mixq": ["--quantize_uint16=*kernel*"],
    "f_split_u8": ["--quantize_uint8", "--split_weights_by_layer"],
}.items():
    CASES[flag], FLAGS[flag] = compiled, value


# functions


def saved(*specs, **options):
    def register(function):
        SAVED[function.__name__] = (function, specs, options)
        return function

    return register


def floats(*shape, name=None):
    return tf.TensorSpec(shape, tf.float32, name=name)


def ints(*shape, name=None):
    return tf.TensorSpec(shape, tf.int32, name=name)


W = tf.Variable(np.random.default_rng(1).normal(size=(4, 4)).astype("float32") * 0.4)
K33 = np.random.default_rng(2).normal(size=(3, 3, 3, 4)).astype("float32")


@saved(floats(None, 4))
def while_captured(x):
    return tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.tanh(v @ W)), [0, x])[1]


@saved(floats(None, 4), ints())
def while_count(x, n):
    return tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 1.5), [0, x])


@saved(floats(4))
def while_nested_cond(x):
    def inner(j, v):
        return j + 1, tf.cond(tf.reduce_sum(v) > 1.0, lambda: v * 0.5, lambda: v + tf.cast(j, tf.float32))

    def outer(i, v):
        _, v = tf.while_loop(lambda j, _: j < i, inner, [0, v])
        return i + 1, tf.linalg.matvec(W, v)

    return tf.while_loop(lambda i, _: i < 4, outer, [1, x])[1]


@saved(floats(None, 4))
def cond_nested(x):
    s = tf.reduce_sum(x)
    return tf.cond(s > 0, lambda: tf.cond(s > 5, lambda: x * 2, lambda: x @ W), lambda: (x - 1) @ W)


@saved(floats(None, 4), ints())
def switch_case(x, k):
    return tf.switch_case(k % 3, [lambda: x + 1, lambda: x @ W, lambda: -x])


@saved(floats(5, 4))
def map_fn(x):
    return tf.map_fn(lambda r: tf.reduce_sum(r) * r, x)


@saved(floats(None, 4))
def map_dynamic(x):
    return tf.map_fn(lambda r: tf.tanh(r) + 1.0, x)


@saved(floats(5, 4))
def scan(x):
    return tf.scan(lambda a, r: a * 0.5 + r, x)


@saved(floats(6, 4))
def fold(x):
    return tf.foldl(lambda a, r: a + tf.square(r), x), tf.foldr(lambda a, r: a * 0.5 + r, x)


@saved(floats(6, 2))
def tensor_array(x):
    a = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[2])
    for i in tf.range(6):
        if tf.reduce_sum(x[i]) > 0:
            a = a.write(a.size(), x[i] * 2.0)
    return a.stack(), a.size()


@saved(floats(6, 2))
def tensor_array2(x):
    a = tf.TensorArray(tf.float32, 6).unstack(x)
    b = tf.TensorArray(tf.float32, 3, infer_shape=False)
    for i in tf.range(3):
        b = b.write(i, a.gather([i, 5 - i]))
    return b.concat(), a.read(2), b.stack()


@saved(floats(None, 4))
def autograph(x):
    total = tf.zeros([4])
    for row in x:
        if tf.reduce_max(row) > 0.5:
            total += row
        elif tf.reduce_min(row) < -0.5:
            total -= row
        else:
            continue
    return total


@saved(floats(None, 4))
def autograph_break(x):
    i, y = 0, x
    while tf.reduce_sum(tf.abs(y)) > 0.5:
        y = y * 0.5
        i += 1
        if i > 5:
            break
    return y, i


@tf.function
def helper(x):
    return tf.nn.relu(x @ W) + 0.1


@saved(floats(None, 4))
def nested_functions(x):
    @tf.function
    def outer(y):
        return helper(helper(y)) * 2.0

    return outer(x) + tf.while_loop(lambda i, _: i < 2, lambda i, v: (i + 1, helper(v)), [0, x])[1]


@saved(floats(None, 6, 7, 3))
def bn_training(x):
    y, m, v = tf.compat.v1.nn.fused_batch_norm(x, [1.0, 2.0, 0.5], [0.1, 0.2, 0.3], is_training=True)
    return y, m, v


@saved(floats(2, 6, 7, 3))
def conv_residual(x):
    y = tf.nn.conv2d(x, K33, 1, "SAME")
    z = tf.nn.conv2d(x, K33 * 0.5, 1, "SAME") + tf.constant([0.1, 0.2, 0.3, 0.4])
    return (
        tf.nn.relu(y + z),
        tf.nn.leaky_relu(tf.nn.bias_add(y, [1.0, 2.0, 3.0, 4.0]), 0.3),
        tf.nn.elu(z),
        tf.nn.relu6(y + 1.0),
    )


@saved(floats(2, 6, 7, 3))
def conv_bn(x):
    y = tf.nn.conv2d(x, K33, [1, 2, 1, 1], [[0, 0], [1, 2], [0, 1], [0, 0]])
    y, *_ = tf.compat.v1.nn.fused_batch_norm(
        y,
        [1.0, 2.0, 0.5, 1.5],
        [0.1, 0.2, 0.3, 0.4],
        [0.0, 1.0, 2.0, 3.0],
        [1.0, 2.0, 3.0, 4.0],
        is_training=False,
    )
    d = tf.nn.depthwise_conv2d(x, K33, [1, 1, 1, 1], "SAME", dilations=[2, 2])
    return tf.nn.relu(y), tf.nn.relu6(d + 0.3)


@saved(floats(None, 4))
def epilogues(x):
    b = tf.constant([0.5, -0.5, 0.1, 0.2])
    return (
        tf.tanh(x @ W + b),
        tf.sigmoid(x @ W + b),
        tf.nn.gelu(x @ W + b),
        tf.nn.swish(x @ W),
        tf.nn.softmax(x @ W + x),
    )


@saved(floats(2, 6, 7, 3))
def conv_more(x):
    y = tf.nn.conv2d_transpose(x, np.ones((3, 3, 2, 3), "float32"), [2, 12, 14, 2], 2)
    p = tf.nn.pool(x, (2, 2), "AVG", strides=(1, 2), padding="SAME")
    s = tf.nn.space_to_depth(x[:, :, :6], 2)
    m, arg = tf.nn.max_pool_with_argmax(x, 2, 2, "VALID")
    a = tf.nn.atrous_conv2d(x, K33, 2, "SAME")
    return (
        y,
        p,
        s,
        m,
        arg,
        a,
        tf.nn.dilation2d(x, np.ones((2, 2, 3), "float32"), [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1]),
    )


@saved(floats(None, 4, name="a"), floats(None, 4, 2, name="b"))
def structured(a, b):
    return {"z": a * 2.0, "list": [tf.reduce_sum(b, 1), b[:, 0]], "inner": {"k": a - 1.0}}


@saved(floats(None, 4), flags=["--use_structured_outputs_names"])
def structured_names(x):
    return {"zeta": x * 2.0, "alpha": x[:, :2], "mid": tf.reduce_sum(x)}


@saved(floats(2, 3))
def int_math(x):
    i = tf.cast(x * 10.0, tf.int32)
    l = tf.cast(x * 10.0, tf.int64)
    return (
        i // 3,
        i % 3,
        l * 2,
        tf.bitwise.bitwise_and(i, 7),
        tf.cast(i, tf.bool),
        tf.math.floormod(l, 4),
        tf.abs(i),
        tf.argsort(x),
        tf.range(3) + i[0, 0],
    )


@saved(floats(3, 4))
def dynamic(x):
    m = tf.reduce_sum(x, 1) > 0
    y = tf.boolean_mask(x, m)
    w = tf.where(x > 0.5)
    u, idx = tf.unique(tf.cast(x[:, 0] * 2, tf.int32))
    return y, w, u, idx, tf.gather_nd(x, w), tf.shape(y), tf.size(u)


@saved(ints(5), tables=lambda: [TABLE])
def table_int(k):
    return TABLE.lookup(tf.cast(k, tf.int64))


@saved(ints(5), tables=lambda: [NAMES, COUNT])
def table_words(k):
    return COUNT.lookup(NAMES.lookup(tf.cast(k, tf.int64)))


TABLE = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(tf.constant([1, 2, 4], tf.int64), tf.constant([10.0, 20.0, 40.0])),
    -1.0,
)
NAMES = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1, 2, 3], tf.int64), ["a", "bb", "c", ""]), "?"
)
COUNT = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(["a", "bb", "?"], tf.constant([5, 6, 7], tf.int64)), -1
)


@saved(floats(3, 8))
def signal(x):
    return (
        tf.abs(tf.signal.rfft(x)),
        tf.signal.irfft(tf.signal.rfft(x)),
        tf.math.real(tf.signal.fft(tf.cast(x, tf.complex64))),
    )


@saved(floats(1, 8, 8, 3))
def images(x):
    b = tf.image.crop_and_resize(x, [[0.1, 0.2, 0.8, 0.9], [0.0, 0.0, 1.0, 1.0]], [0, 0], [4, 5])
    n = tf.image.resize(x, (5, 11), "nearest")
    return (
        b,
        n,
        tf.image.resize(x, (4, 4), antialias=False),
        tf.image.flip_left_right(x),
        tf.image.rot90(x),
        tf.image.central_crop(x, 0.5),
    )


@saved(floats(6, 4), floats(6))
def boxes(b, s):
    b = tf.concat([b[:, :2], b[:, :2] + tf.abs(b[:, 2:])], 1)
    i = tf.image.non_max_suppression(b, s, 4, 0.3, -10.0)
    j, t = tf.image.non_max_suppression_with_scores(b, s, 4, 0.3, -10.0, soft_nms_sigma=0.5)
    return tf.gather(b, i), tf.size(i), j, t


@saved(floats(None, 5, 4))
def sequence_rnn(x):
    cell = tf.transpose(x, [1, 0, 2])
    h = tf.zeros([tf.shape(x)[0], 4])
    return tf.scan(lambda a, r: tf.tanh(r + a @ W), cell, h)[-1]


@saved(floats(None, 4))
def einsums(x):
    y = tf.reshape(x, [-1, 2, 2])
    return (
        tf.einsum("bij,bjk->bik", y, y),
        tf.einsum("bi,ij->bj", x, W),
        tf.einsum("...i,ij->...j", y, W[:2]),
        tf.einsum("bij->bji", y),
        tf.einsum("bii->b", y),
    )


@saved(floats(3, 4))
def segments(x):
    return (
        tf.scatter_nd([[1], [0], [3]], x, [4, 4]),
        tf.tensor_scatter_nd_update(x, [[1]], [[1.0, 2.0, 3.0, 4.0]]),
        tf.math.bincount(tf.cast(tf.abs(x[0] * 3), tf.int32), minlength=5, maxlength=5),
    )


def numbered(function):
    return lambda *given: {f"o{i:02}": v for i, v in enumerate(tf.nest.flatten(function(*given)))}


def record_saved(name, function, specs, options, out):
    rng = np.random.default_rng(len(name))
    module = tf.Module()
    module.kept = [W, *options.get("tables", list)()]
    eager = tf.function(function, input_signature=specs)
    values = [
        tf.constant(rng.integers(1, 5, [3 if d is None else d for d in s.shape]).astype("int32"))
        if s.dtype == tf.int32 else tf.constant(rng.normal(size=[3 if d is None else d for d in s.shape]).astype("float32"))
        for s in specs
    ]  # fmt: skip
    want = [v.numpy() for v in tf.nest.flatten(eager(*values))]
    for suffix, more in (("v1", []), ("v2", ["--control_flow_v2=True"])):
        target = out / f"fn_{name}__{suffix}"
        with tempfile.TemporaryDirectory() as temp:
            try:
                converted = tf.autograph.to_graph(function)
                module.g = tf.function(numbered(converted), input_signature=specs)
                tf.saved_model.save(module, temp + "/saved", signatures=module.g)
                convert(
                    [
                        "--input_format=tf_saved_model",
                        "--skip_op_check",
                        *more,
                        *options.get("flags", []),
                        temp + "/saved",
                        str(target),
                    ]
                )
                assert (target / "model.json").exists()
            except BaseException as error:
                shutil.rmtree(target, ignore_errors=True)
                print("NOCONV", name, suffix, type(error).__name__, str(error)[:200].replace("\n", " "))
                continue
        for stem, arrays in (("inputs", [v.numpy() for v in values]), ("expected", want)):
            for i, value in enumerate(arrays):
                np.save(
                    target / f"{stem}{i or ''}.npy",
                    value.astype("int32") if value.dtype == np.int64 else value,
                )


def record_mixed(out):
    """A mixed_float16 Dense in a float32 net: expected.npy is the net with the same weights and no policy, half.npy what
    Keras computes with it, rounding to float16 as it goes."""
    for label, K in (("k2", k2), ("k3", k3)):

        def net(dtype, K=K):
            x = K.layers.Input((6,), name="x")
            return K.Model(x, K.layers.Dense(2, dtype="float32")(K.layers.Dense(5, "relu", dtype=dtype)(x)))

        model, plain = net("mixed_float16"), net("float32")
        jolt(model)
        plain.set_weights(model.get_weights())
        x = tensors(model.inputs)[0]
        for suffix, more in (
            ("h5", ["--input_format=keras"]),
            *(
                [("keras", ["--input_format=keras_keras", "--output_format=tfjs_layers_model"])]
                if K is k3
                else []
            ),
        ):
            target = out / f"mixed_half__{label}_{suffix}"
            with tempfile.TemporaryDirectory() as temp:
                model.save(f"{temp}/m.{suffix}")
                convert([*more, f"{temp}/m.{suffix}", str(target)])
            for stem, value in (("inputs", x), ("expected", plain.predict(x)), ("half", model.predict(x))):
                np.save(target / f"{stem}.npy", value)


if __name__ == "__main__":
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    if not words or "mixed" in words:
        record_mixed(folder)
    for name, (function, specs, options) in SAVED.items():
        if not words or any(word in f"fn_{name}" for word in words):
            try:
                record_saved(name, function, specs, options, folder)
            except Exception:
                traceback.print_exc()
    for name, make in CASES.items():
        if not words or any(word in name for word in words):
            try:
                run(name, make, folder, FLAGS.get(name, ()), saved=name[:2] in ("f_", "n_", "o_"))
            except Exception:
                traceback.print_exc()
