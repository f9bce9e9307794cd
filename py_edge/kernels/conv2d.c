/* Convolutions as products, three ways, none of which writes the whole im2col matrix:
 * pointwise (1 x 1, stride 1): the image is the matrix A;
 * in place: windows of one output row overlap in x, so A is x itself with a row stride of SW C and one segment per KH;
 * by blocks: at most 60 windows at a time are copied into scratch (edges, dilation, groups, narrow images). */
#include "conv2d.h"

#include "functions.h"

enum { BLOCK = 60, BLOCK_BYTES = 256 * 1024, IN_PLACE_WIDTH = VW == 4 ? 12 : 64 };

typedef struct {
  const pe_conv2d *p;
  pe_window w;
  pe_tail tail;
  const float *x, *residual;
  float *y, *scratch;
  int K, O;
} job;

/* M output pixels from `first`, whose A is set in g. */
static void pixels(const job *j, pe_gemm *g, int64_t first, int M, int column) {
  g->M = M;
  g->y = j->y + first * j->O + column;
  const float *residual = j->residual ? j->residual + first * j->O + column : 0;
  g->residual = j->tail.late ? 0 : residual;
  pe_gemm_run(g);
  pe_tail_rows(&j->tail, g->y, residual, M, g->N, j->O);
}

static void pointwise(const job *j, pe_gemm *g, int group) {
  int64_t total = (int64_t)j->w.N * j->w.OH * j->w.OW;
  int block = BLOCK_BYTES / 4 / j->K / MR * MR;
  if (block < MR) block = MR;
  g->a_row = j->w.C;
  g->segment_k = j->K;
  for (int64_t first = 0; first < total; first += block) {
    g->a = j->x + first * j->w.C + group * (j->w.C / j->w.groups);
    pixels(j, g, first, total - first < block ? (int)(total - first) : block, group * g->N);
  }
}

static void by_blocks(const job *j, pe_gemm *g, int group, int64_t first, int64_t end) {
  g->a = j->scratch;
  g->a_row = j->K;
  g->segments = 1;
  g->segment_k = j->K;
  for (; first < end; first += BLOCK) {
    int count = end - first < BLOCK ? (int)(end - first) : BLOCK;
    pe_window_rows(j->scratch, j->x, &j->w, group, (int)first, count);
    pixels(j, g, first, count, group * g->N);
  }
}

static void in_place(const job *j, pe_gemm *g, int low, int high) {
  const pe_window *w = &j->w;
  const float *panels = g->b;
  int run = w->KW * w->C;
  for (int n = 0; n < w->N; n++)
    for (int oh = 0; oh < w->OH; oh++) {
      int64_t first = ((int64_t)n * w->OH + oh) * w->OW;
      pe_span rows = pe_span_of(oh, w->SH, w->PT, w->KH, w->DH, w->H);
      int top = rows.origin, kh0 = rows.first, kh1 = rows.end;
      g->a = j->x + (((int64_t)n * w->H + top + kh0 * w->DH) * w->W + low * w->SW - w->PL) * w->C;
      g->a_row = (intptr_t)w->SW * w->C;
      g->a_segment = (intptr_t)w->DH * w->W * w->C;
      g->segments = kh1 - kh0;
      g->segment_k = run;
      g->b = panels + (intptr_t)kh0 * run * NR;
      pixels(j, g, first + low, high - low, 0);
      g->b = panels;
      by_blocks(j, g, 0, first, first + low);
      by_blocks(j, g, 0, first + high, first + w->OW);
    }
}

PE_KERNEL(pe_do_conv2d) {
  const pe_conv2d *p = (const pe_conv2d *)params;
  job j = {p, {p->N, p->H, p->W, p->C, p->OH, p->OW, p->KH, p->KW, p->SH, p->SW, p->DH, p->DW, p->PT, p->PL, p->groups}};
  const pe_window *w = &j.w;
  if (!pe_window_ok(w, p->O) || p->y == PE_NONE || p->x == PE_NONE || p->w == PE_NONE) return PE_BAD_PARAM;
  int status = pe_tail_of(&j.tail, p->act, p->alpha, p->residual_before_act, p->residual != PE_NONE);
  if (status != PE_OK) return status;
  j.x = at(m, p->x), j.y = at(m, p->y), j.residual = at(m, p->residual), j.scratch = at(m, p->scratch);
  j.K = p->KH * p->KW * (p->C / p->groups), j.O = p->O;

  int point = p->KH == 1 && p->KW == 1 && p->SH == 1 && p->SW == 1 && !p->PT && !p->PL && p->OH == p->H && p->OW == p->W;
  if (!point && (p->scratch == PE_NONE || p->scratch_bytes < 4 * PE_SCRATCH_PACKED((int64_t)j.K))) return PE_BAD_PARAM;
  int low = (p->PL + p->SW - 1) / p->SW, high = p->W + p->PL - p->KW < 0 ? 0 : (p->W + p->PL - p->KW) / p->SW + 1;
  if (high > p->OW) high = p->OW;
  const float *bias = at(m, p->bias), *panels = at(m, p->w);
  for (int group = 0; group < p->groups; group++) {
    pe_gemm g = {.N = p->O / p->groups, .y_row = p->O, .segments = 1, .b_k = NR, .b_panel = (intptr_t)j.K * NR};
    g.bias = bias ? bias + group * g.N : 0;
    g.b = panels + (intptr_t)group * PANELS(g.N) * NR * j.K;
    g.low = j.tail.low, g.high = j.tail.high, g.residual_before_act = j.tail.residual_before_act;
    if (point)
      pointwise(&j, &g, group);
    else if (p->groups == 1 && p->DW == 1 && high - low >= IN_PLACE_WIDTH)
      in_place(&j, &g, low, high);
    else
      by_blocks(&j, &g, group, 0, (int64_t)p->N * p->OH * p->OW);
  }
  return PE_OK;
}
