/* Gradients of the convolution, blocks of pixels at a time.
 * input: rows = dy x w^T, added back onto the windows they came from (1 x 1: they are dx). filter: dw += windows^T x dy. */
#include "conv2d.h"

#include "functions.h"

enum { INPUT_BLOCK = 60, FILTER_BLOCK = 256 };

static int window_of(pe_window *w, const pe_conv2d_grad *p) {
  pe_window own = {p->N, p->H, p->W, p->C, p->OH, p->OW, p->KH, p->KW, p->SH, p->SW, p->DH, p->DW, p->PT, p->PL, p->groups};
  *w = own;
  return pe_window_ok(w, p->O) && p->out != PE_NONE && p->in0 != PE_NONE && p->in1 != PE_NONE && p->scratch != PE_NONE;
}

static pe_gemm plain(void) {
  pe_gemm g = {.segments = 1, .b_k = NR, .low = -INF, .high = INF};
  return g;
}

PE_KERNEL(pe_do_conv2d_input_grad) {
  const pe_conv2d_grad *p = (const pe_conv2d_grad *)params;
  pe_window w;
  if (!window_of(&w, p)) return PE_BAD_PARAM;
  int cg = p->C / p->groups, n = p->O / p->groups, K = p->KH * p->KW * cg;
  int64_t wide = PE_ROUND32((int64_t)K), total = (int64_t)p->N * p->OH * p->OW;
  if (p->scratch_bytes < 4 * PE_SCRATCH_INPUT_GRAD((int64_t)K, (int64_t)n)) return PE_BAD_PARAM;
  float *dx = at(m, p->out), *rows = at(m, p->scratch), *panels = rows + 64 * (n + wide);
  const float *dy = at(m, p->in0), *filter = at(m, p->in1);
  int point = p->KH == 1 && p->KW == 1 && p->SH == 1 && p->SW == 1 && !p->PT && !p->PL && p->OH == p->H && p->OW == p->W;
  if (!point) zero_floats(dx, p->N * p->H * p->W * p->C);
  for (int group = 0; group < p->groups; group++) {
    pe_pack_panels(panels, filter + group * n, n, K, 1, p->O);
    pe_gemm g = plain();
    g.b = panels, g.b_panel = (intptr_t)n * NR, g.N = K, g.segment_k = n, g.a_row = p->O, g.y = rows, g.y_row = wide;
    for (int64_t first = 0; first < total; first += INPUT_BLOCK) {
      g.M = total - first < INPUT_BLOCK ? (int)(total - first) : INPUT_BLOCK;
      g.a = dy + first * p->O + group * n;
      if (point) g.y = dx + first * p->C + group * cg, g.y_row = p->C;
      pe_gemm_run(&g);
      if (!point) pe_window_rows_add(dx, rows, wide, &w, group, (int)first, g.M);
    }
  }
  return PE_OK;
}

PE_KERNEL(pe_do_conv2d_filter_grad) {
  const pe_conv2d_grad *p = (const pe_conv2d_grad *)params;
  pe_window w;
  if (!window_of(&w, p)) return PE_BAD_PARAM;
  int cg = p->C / p->groups, n = p->O / p->groups, K = p->KH * p->KW * cg;
  int64_t total = (int64_t)p->N * p->OH * p->OW;
  if (p->scratch_bytes < 4 * PE_SCRATCH_FILTER_GRAD((int64_t)K, (int64_t)n)) return PE_BAD_PARAM;
  float *dw = at(m, p->out), *rows = at(m, p->scratch), *panels = rows + (intptr_t)FILTER_BLOCK * K;
  const float *x = at(m, p->in0), *dy = at(m, p->in1);
  if (total == 0) zero_floats(dw, K * p->O);
  for (int group = 0; group < p->groups; group++)
    for (int64_t first = 0; first < total; first += FILTER_BLOCK) {
      int count = total - first < FILTER_BLOCK ? (int)(total - first) : FILTER_BLOCK;
      pe_window_rows(rows, x, &w, group, (int)first, count);
      pe_pack_panels(panels, dy + first * p->O + group * n, count, n, p->O, 1);
      pe_gemm g = plain();
      g.a = rows, g.a_columns = 1, g.a_row = K, g.M = K, g.segment_k = count;
      g.b = panels, g.b_panel = (intptr_t)count * NR, g.N = n;
      g.y = dw + group * n, g.y_row = p->O, g.accumulate = first > 0;
      pe_gemm_run(&g);
    }
  return PE_OK;
}
