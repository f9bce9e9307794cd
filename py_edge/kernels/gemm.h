/* The product core: y (M, N) = clamp(A x B + bias) + residual, B in panels of NR columns. Used by matmul and convolutions. */
#ifndef PE_GEMM_H
#define PE_GEMM_H
#include "kernel.h"

/* A: element (i, k) at a[i * a_row + k] (rows), or a[i + k * a_row] when `a_columns`. K may come in `segments` of segment_k
 * elements, a_segment floats apart in A and without a gap in B: that is how a convolution window is read in place.
 * B: element (k, n) at b[n / NR * b_panel + k * b_k + n % NR], readable up to whole panels.
 * y, residual: rows of y_row floats. bias: N floats or null. low, high: clamp of act(..), -INF and INF when none. accumulate: y is what is added instead of a
 * residual (no bias, no clamp then). */
typedef struct {
  const float *a, *b, *bias, *residual;
  float *y;
  intptr_t a_row, a_segment, b_panel, b_k, y_row;
  int M, N, segments, segment_k, a_columns, accumulate, residual_before_act;
  float low, high;
} pe_gemm;

void pe_gemm_run(const pe_gemm *g);
/* b (K, N) with element strides -> panels; the last is zero padded. */
void pe_pack_panels(float *dst, const float *b, int K, int N, intptr_t row_stride, intptr_t column_stride);
/* dst rows of K <- element (m, k) at a[m * a_row + k * a_col]. */
void pe_pack_rows(float *dst, const float *a, int M, int K, intptr_t a_row, intptr_t a_col);

#define PANELS(n) ((int)(((int64_t)(n) + NR - 1) / NR))

/* What follows the sum: clamps go into the register tile, other functions over finished rows. */
typedef struct {
  int op, inside, residual_before_act, late;
  float alpha, low, high;
} pe_tail;
/* PE_BAD_PARAM when act is no unary opcode. */
int pe_tail_of(pe_tail *tail, int32_t act, int32_t alpha_bits, int32_t residual_before_act, int residual);
/* Finish rows x n of y (row stride y_row) that the register tiles could not. */
void pe_tail_rows(const pe_tail *tail, float *y, const float *residual, int rows, int n, intptr_t y_row);

#endif
