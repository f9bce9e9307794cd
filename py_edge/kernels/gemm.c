/* Register tiles of MR x NR: for each k one vector pair of B, and one element of A per row spread over a vector.
 *
 * 6 x 8 in WebAssembly: 12 accumulators, 2 of B, 1 of A are the 15 registers that V8 has. A is read where it lies, B from
 * panels that stay in the first cache while all rows pass. Tiles of a block are made equally high (49 rows: 5 and 6, never 1).
 * One row (a dense layer on one example) goes four panels at a time: it is bound by reading B. */
#include "gemm.h"

#include "functions.h"

INLINE vf clamp(vf v, vf low, vf high) { return at_most(at_least(v, low), high); }

/* One row of the result, n columns of it: residual, clamp, store. */
INLINE void finish_row(const pe_gemm *g, vf low, vf high, float *y, const float *residual, int n) {
  vf r0 = splat(0), r1 = splat(0), least = splat(g->low), most = splat(g->high);
  if (residual) {
    r0 = load_first(residual, n);
    r1 = load_first(residual + VW, n - VW);
  }
  if (g->residual_before_act) {
    low = clamp(low + r0, least, most);
    high = clamp(high + r1, least, most);
  } else {
    low = clamp(low, least, most) + r0;
    high = clamp(high, least, most) + r1;
  }
  store_first(y, low, n);
  store_first(y + VW, high, n - VW);
}

/* Where the sums of columns n0.. start: the bias or nothing. */
INLINE void bias_of(const pe_gemm *g, int n0, int n, vf *low, vf *high) {
  *low = g->bias ? load_first(g->bias + n0, n) : splat(0);
  *high = g->bias ? load_first(g->bias + n0 + VW, n - VW) : splat(0);
}

/* One k: acc += a (rows) x b (one or two vectors). */
INLINE void one_step(vf acc[][2], int rows, int vectors, const float *a, intptr_t stride, const float *b) {
  vf b0 = load(b), b1 = vectors == 2 ? load(b + VW) : b0;
  UNROLL for (int i = 0; i < rows; i++) {
    vf v = splat(a[i * stride]);
    acc[i][0] = fma(v, b0, acc[i][0]);
    if (vectors == 2) acc[i][1] = fma(v, b1, acc[i][1]);
    IN_ORDER(acc[i][0]);
    if (vectors == 2) IN_ORDER(acc[i][1]);
  }
}

/* `tiles` tiles of `rows` rows, from row i0 on, of the panel at column n0; of a last, narrow panel only one vector. */
INLINE void tile(const pe_gemm *g, int rows, int vectors, int columns, int i0, int n0, int tiles) {
  vf bias0, bias1, least = splat(g->low), most = splat(g->high);
  int n = g->N - n0, K = g->segment_k, segments = g->segments;
  bias_of(g, n0, n, &bias0, &bias1);
  const float *panel = g->b + n0 / NR * g->b_panel, *first = g->a + (columns ? i0 : i0 * g->a_row);
  intptr_t a_row = g->a_row, b_k = g->b_k, stride = columns ? 1 : a_row, step = columns ? a_row : 1;
  intptr_t y_row = g->y_row, next_segment = g->a_segment;
  float *y = g->y + i0 * y_row + n0;
  const float *residual = g->accumulate ? y : g->residual ? g->residual + i0 * y_row + n0 : 0;
  for (int t = 0; t < tiles; t++, first += rows * stride, y += rows * y_row) {
    vf acc[MR][2];
    UNROLL for (int i = 0; i < rows; i++) {
      acc[i][0] = bias0;
      acc[i][1] = bias1;
    }
    const float *a = first, *b = panel;
    for (int s = 0; s < segments; s++, a += next_segment) {
      const float *p = a;
      int k = 0;
      for (; k + 4 <= K; k += 4, p += 4 * step, b += 4 * b_k) {
        one_step(acc, rows, vectors, p, stride, b);
        one_step(acc, rows, vectors, p + step, stride, b + b_k);
        one_step(acc, rows, vectors, p + 2 * step, stride, b + 2 * b_k);
        one_step(acc, rows, vectors, p + 3 * step, stride, b + 3 * b_k);
      }
      for (; k < K; k++, p += step, b += b_k) one_step(acc, rows, vectors, p, stride, b);
    }
    if (!residual && vectors == 2 && n >= NR) {
      UNROLL for (int i = 0; i < rows; i++) {
        store(y + i * y_row, clamp(acc[i][0], least, most));
        store(y + i * y_row + VW, clamp(acc[i][1], least, most));
      }
      continue;
    }
    UNROLL for (int i = 0; i < rows; i++)
      finish_row(g, acc[i][0], acc[i][1], y + i * y_row, residual ? residual + i * y_row : 0, n);
    if (residual) residual += rows * y_row;
  }
}

typedef void (*tile_fn)(const pe_gemm *g, int i0, int n0, int tiles);
#define TILE(rows)                                                                                               \
  static void rows_##rows(const pe_gemm *g, int i0, int n0, int tiles) { tile(g, rows, 2, 0, i0, n0, tiles); }   \
  static void half_##rows(const pe_gemm *g, int i0, int n0, int tiles) { tile(g, rows, 1, 0, i0, n0, tiles); }   \
  static void columns_##rows(const pe_gemm *g, int i0, int n0, int tiles) { tile(g, rows, 2, 1, i0, n0, tiles); }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if MR == 12
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#define LONG_TILES(name) , name##_7, name##_8, name##_9, name##_10, name##_11, name##_12
#else
#define LONG_TILES(name)
#endif
enum { ROWS, HALF, COLUMNS };
static const tile_fn kinds[3][MR + 1] = {
  {0, rows_1, rows_2, rows_3, rows_4, rows_5, rows_6 LONG_TILES(rows)},
  {0, half_1, half_2, half_3, half_4, half_5, half_6 LONG_TILES(half)},
  {0, columns_1, columns_2, columns_3, columns_4, columns_5, columns_6 LONG_TILES(columns)},
};

/* One row, four panels at once, as long as whole panels last; returns the first column not done. */
static int one_row(const pe_gemm *g) {
  int n0 = 0;
  for (; n0 + 4 * NR <= g->N; n0 += 4 * NR) {
    const float *b = g->b + n0 / NR * g->b_panel, *a = g->a;
    vf acc[4][2];
    UNROLL for (int j = 0; j < 4; j++) bias_of(g, n0 + j * NR, NR, &acc[j][0], &acc[j][1]);
    intptr_t a_step = g->a_columns ? g->a_row : 1, b_k = g->b_k, panel = g->b_panel;
    for (int s = 0; s < g->segments; s++, a += g->a_segment) {
      const float *p = a;
      int K = g->segment_k;
      for (int k = 0; k < K; k++, b += b_k, p += a_step) {
        vf v = splat(*p);
        UNROLL for (int j = 0; j < 4; j++) {
          acc[j][0] = fma(v, load(b + j * panel), acc[j][0]);
          acc[j][1] = fma(v, load(b + j * panel + VW), acc[j][1]);
          IN_ORDER(acc[j][0]);
          IN_ORDER(acc[j][1]);
        }
      }
    }
    float *y = g->y + n0;
    const float *residual = g->accumulate ? y : g->residual ? g->residual + n0 : 0;
    UNROLL for (int j = 0; j < 4; j++)
      finish_row(g, acc[j][0], acc[j][1], y + j * NR, residual ? residual + j * NR : 0, NR);
  }
  return n0;
}

void pe_gemm_run(const pe_gemm *g) {
  int count = (g->M + MR - 1) / MR;
  if (count == 0) return;
  int height = g->M / count, taller = g->M % count;
  int n0 = g->M == 1 ? one_row(g) : 0;
  for (; n0 < g->N; n0 += NR) {
    const tile_fn *kind = kinds[g->a_columns ? COLUMNS : g->N - n0 <= VW ? HALF : ROWS];
    if (taller) kind[height + 1](g, 0, n0, taller);
    if (count > taller) kind[height](g, taller * (height + 1), n0, count - taller);
  }
}

void pe_pack_panels(float *dst, const float *b, int K, int N, intptr_t row_stride, intptr_t column_stride) {
  for (int n0 = 0; n0 < N; n0 += NR) {
    int n = N - n0 < NR ? N - n0 : NR;
    const float *src = b + n0 * column_stride;
    if (n == NR && column_stride == 1) {
      for (int k = 0; k < K; k++, dst += NR, src += row_stride) {
        store(dst, load(src));
        store(dst + VW, load(src + VW));
      }
      continue;
    }
    for (int k = 0; k < K; k++, dst += NR, src += row_stride) {
      int j = 0;
      for (; j < n; j++) dst[j] = src[j * column_stride];
      for (; j < NR; j++) dst[j] = 0;
    }
  }
}

void pe_pack_rows(float *dst, const float *a, int M, int K, intptr_t a_row, intptr_t a_col) {
  for (int i = 0; i < M; i++, dst += K, a += a_row)
    if (a_col == 1)
      copy_floats(dst, a, K);
    else
      for (int k = 0; k < K; k++) dst[k] = a[k * a_col];
}

int pe_tail_of(pe_tail *tail, int32_t act, int32_t alpha_bits, int32_t residual_before_act, int residual) {
  if (act < 0 || act >= PE_UNARY_COUNT) return PE_BAD_PARAM;
  tail->op = act;
  tail->alpha = bits_to_float(alpha_bits);
  tail->residual_before_act = residual_before_act != 0;
  tail->inside = act == PE_U_COPY || act == PE_U_RELU || act == PE_U_RELU6;
  tail->low = act == PE_U_RELU || act == PE_U_RELU6 ? 0 : -INF;
  tail->high = act == PE_U_RELU6 ? 6 : INF;
  tail->late = residual && !tail->inside && !residual_before_act;
  return PE_OK;
}

void pe_tail_rows(const pe_tail *tail, float *y, const float *residual, int rows, int n, intptr_t y_row) {
  if (tail->inside) return;
  if (y_row == n) {
    n *= rows;
    rows = 1;
  }
  for (int i = 0; i < rows; i++, y += y_row) {
    pe_apply(tail->op, tail->alpha, y, n);
    if (!tail->late) continue;
    const float *r = residual + i * y_row;
    int j = 0;
    for (; j + VW <= n; j += VW) store(y + j, load(y + j) + load(r + j));
    for (; j < n; j++) y[j] += r[j];
  }
}
