"""Tensor arithmetic inside a Keras model: Keras 2's TFOpLambda and SlicingOpLambda, Keras 3's operations; one row each."""
