/* Matrix products: B packed at init, packed on the way, or read where it lies when there are few rows. */
#include "gemm.h"

#include "functions.h"

enum { BLOCK_BYTES = 256 * 1024, FEW_ROWS = 8 };

PE_KERNEL(pe_do_pack_b) {
  const pe_pack_b *p = (const pe_pack_b *)params;
  if (!SIZES_OK(0, p->groups, p->K, PANELS(p->N), NR) || p->N < 0 || p->dst == PE_NONE || p->src == PE_NONE)
    return PE_BAD_PARAM;
  float *dst = at(m, p->dst);
  const float *src = at(m, p->src);
  for (int g = 0; g < p->groups; g++) {
    pe_pack_panels(dst, src, p->K, p->N, p->row_stride, p->col_stride);
    dst += (intptr_t)PANELS(p->N) * NR * p->K;
    src += p->src_group_stride;
  }
  return PE_OK;
}

/* Few rows times B whose rows of K lie in sequence (b_row 1): dot products, no packing. */
static void dot_products(const pe_gemm *g, const float *b, int K, intptr_t b_col) {
  for (int n = 0; n < g->N; n++)
    for (int i = 0; i < g->M; i++) {
      const float *a = g->a + i * g->a_row, *q = b + n * b_col;
      vf s0 = splat(0), s1 = splat(0), s2 = splat(0), s3 = splat(0);
      int k = 0;
      for (; k + 4 * VW <= K; k += 4 * VW) {
        s0 = fma(load(a + k), load(q + k), s0);
        s1 = fma(load(a + k + VW), load(q + k + VW), s1);
        s2 = fma(load(a + k + 2 * VW), load(q + k + 2 * VW), s2);
        s3 = fma(load(a + k + 3 * VW), load(q + k + 3 * VW), s3);
      }
      for (; k + VW <= K; k += VW) s0 = fma(load(a + k), load(q + k), s0);
      float sum = sum_lanes((s0 + s1) + (s2 + s3));
      for (; k < K; k++) sum += a[k] * q[k];
      if (g->bias) sum += g->bias[n];
      float r = g->residual ? g->residual[i * g->y_row + n] : 0;
      if (g->residual_before_act) sum += r;
      sum = sum < g->low ? g->low : sum > g->high ? g->high : sum;
      g->y[i * g->y_row + n] = g->residual_before_act ? sum : sum + r;
    }
}

/* One matrix of the batch. */
static void product(const pe_matmul *p, const pe_tail *tail, const float *a, const float *b, const float *bias,
                    const float *residual, float *y, float *scratch, int panels_ready) {
  pe_gemm g = {.bias = bias, .y_row = p->N, .N = p->N, .segments = 1, .segment_k = p->K, .b_k = NR};
  g.b_panel = (intptr_t)p->K * NR;
  g.low = tail->low;
  g.high = tail->high;
  g.residual_before_act = tail->residual_before_act;
  float *rows = scratch;
  int direct = !p->b_packed && p->M <= FEW_ROWS && p->a_col == 1;
  if (direct && p->b_row == 1 && p->b_col != 1) {
    g.a = a, g.a_row = p->a_row, g.M = p->M, g.y = y;
    g.residual = tail->late ? 0 : residual;
    dot_products(&g, b, p->K, p->b_col);
    pe_tail_rows(tail, y, residual, p->M, p->N, p->N);
    return;
  }
  int in_place = direct && p->b_col == 1 && p->N % NR == 0;
  if (p->b_packed) {
    g.b = b;
  } else if (in_place) {
    g.b = b;
    g.b_panel = NR;
    g.b_k = p->b_row;
  } else {
    if (!panels_ready) pe_pack_panels(scratch + 64 * (intptr_t)p->K, b, p->K, p->N, p->b_row, p->b_col);
    g.b = scratch + 64 * (intptr_t)p->K;
  }
  int strided = p->a_col != 1 && p->a_row != 1;
  int64_t row_bytes = 4 * (int64_t)(p->K > 0 ? p->K : 1);
  int block = (int)(BLOCK_BYTES / row_bytes / MR * MR);
  if (block < MR) block = MR;
  if (strided && block > 60) block = 60;
  for (int m0 = 0; m0 < p->M; m0 += block) {
    g.M = p->M - m0 < block ? p->M - m0 : block;
    const float *from = a + (intptr_t)m0 * p->a_row;
    if (strided) pe_pack_rows(rows, from, g.M, p->K, p->a_row, p->a_col);
    g.a = strided ? rows : from;
    g.a_columns = !strided && p->a_col != 1;
    g.a_row = strided ? p->K : p->a_col == 1 ? p->a_row : p->a_col;
    g.y = y + (intptr_t)m0 * p->N;
    const float *r = residual ? residual + (intptr_t)m0 * p->N : 0;
    g.residual = tail->late ? 0 : r;
    pe_gemm_run(&g);
    pe_tail_rows(tail, g.y, r, g.M, p->N, p->N);
  }
}

PE_KERNEL(pe_do_matmul) {
  const pe_matmul *p = (const pe_matmul *)params;
  int64_t batches = (int64_t)p->batch[0] * p->batch[1] * p->batch[2];
  if (!SIZES_OK(0, p->batch[0], p->batch[1], p->batch[2], p->M, p->N) || !SIZES_OK(0, p->M, p->K)) return PE_BAD_PARAM;
  if (!SIZES_OK(0, p->K, PANELS(p->N), NR)) return PE_BAD_PARAM;
  if (p->y == PE_NONE || p->a == PE_NONE || p->b == PE_NONE) return PE_BAD_PARAM;
  int64_t need = p->b_packed ? 0 : 4 * PE_SCRATCH_UNPACKED((int64_t)p->K, (int64_t)p->N);
  if (p->a_col != 1 && p->a_row != 1 && p->b_packed) need = 4 * PE_SCRATCH_PACKED((int64_t)p->K);
  if (need > 0 && (p->scratch == PE_NONE || p->scratch_bytes < need)) return PE_BAD_PARAM;
  pe_tail tail;
  int status = pe_tail_of(&tail, p->act, p->alpha, p->residual_before_act, p->residual != PE_NONE);
  if (status != PE_OK || batches == 0 || p->M == 0 || p->N == 0) return status;

  const float *a = at(m, p->a), *b = at(m, p->b), *bias = at(m, p->bias), *residual = at(m, p->residual);
  float *y = at(m, p->y), *scratch = at(m, p->scratch);
  const float *packed_from = 0;
  for (int i = 0; i < p->batch[0]; i++)
    for (int j = 0; j < p->batch[1]; j++)
      for (int k = 0; k < p->batch[2]; k++) {
        const float *from_a = a + (intptr_t)i * p->a_batch[0] + (intptr_t)j * p->a_batch[1] + (intptr_t)k * p->a_batch[2];
        const float *from_b = b + (intptr_t)i * p->b_batch[0] + (intptr_t)j * p->b_batch[1] + (intptr_t)k * p->b_batch[2];
        product(p, &tail, from_a, from_b, bias, residual, y, scratch, packed_from == from_b);
        packed_from = from_b;
        y += (intptr_t)p->M * p->N;
        if (residual) residual += (intptr_t)p->M * p->N;
      }
  return PE_OK;
}
