/* 3 x 3 convolutions of stride 1 by Winograd's F(2 x 2, 3 x 3): 16 products per 4 outputs where windows need 36.
 *
 * A tile of 4 x 4 inputs d makes 2 x 2 outputs: A' [(G g G') . (B' d B)] A, the dot over channels as 16 matrix products for
 * a block of tiles at once (Lavin and Gray 2016, Fast Algorithms for Convolutional Neural Networks, sec. 4.1). Not taken:
 * F(4 x 4, 3 x 3), whose transforms lose digits. C and O are multiples of 16: whole vectors everywhere. */
#include "conv2d.h"

#include "functions.h"

enum { POINTS = 16 };

/* G times three numbers. */
INLINE void filter_line(vf *to, int step, vf a, vf b, vf c) {
  to[0] = a;
  to[step] = 0.5f * (a + b + c);
  to[2 * step] = 0.5f * (a - b + c);
  to[3 * step] = c;
}

PE_KERNEL(pe_do_pack_winograd) {
  const pe_pack_b *p = (const pe_pack_b *)params;
  if (!SIZES_OK(0, POINTS, p->K, PANELS(p->N), NR) || p->groups != 9 || p->N < 0 || p->N % VW || p->col_stride != 1 ||
      p->dst == PE_NONE || p->src == PE_NONE)
    return PE_BAD_PARAM;
  const float *src = at(m, p->src);
  float *dst = at(m, p->dst);
  intptr_t matrix = (intptr_t)PANELS(p->N) * NR * p->K;
  for (int n = 0; n < PANELS(p->N) * NR; n += VW)
    for (int k = 0; k < p->K; k++) {
      const float *g = src + (intptr_t)k * p->row_stride + n;
      vf taps[9], half[12], full[POINTS];
      UNROLL for (int i = 0; i < 9; i++) taps[i] = n < p->N ? load(g + i * (intptr_t)p->src_group_stride) : splat(0);
      UNROLL for (int j = 0; j < 3; j++) filter_line(half + j, 3, taps[j], taps[3 + j], taps[6 + j]);
      UNROLL for (int i = 0; i < 4; i++) filter_line(full + 4 * i, 1, half[3 * i], half[3 * i + 1], half[3 * i + 2]);
      float *to = dst + (intptr_t)(n / NR) * NR * p->K + (intptr_t)k * NR + n % NR;
      UNROLL for (int i = 0; i < POINTS; i++) store(to + i * matrix, full[i]);
    }
  return PE_OK;
}

typedef struct {
  const pe_conv2d *p;
  pe_tail tail;
  const float *x, *bias, *residual;
  float *y;
} job;

/* Tile number `index` of all images: its image and the upper left of its outputs. */
typedef struct { int n, oh, ow; } corner;
static corner corner_of(const pe_conv2d *p, int index) {
  int across = (p->OW + 1) / 2, down = (p->OH + 1) / 2;
  corner c = {index / (across * down), index / across % down * 2, index % across * 2};
  return c;
}

/* B' times four numbers. */
INLINE void input_line(vf *to, int step, vf a, vf b, vf c, vf d) {
  to[0] = a - c;
  to[step] = b + c;
  to[2 * step] = c - b;
  to[3 * step] = b - d;
}

/* One tile's inputs to POINTS rows of C, `apart` floats from each other. */
INLINE void input_tile(const job *j, corner t, float *to, intptr_t apart, int edge) {
  const pe_conv2d *p = j->p;
  int C = p->C, top = t.oh - p->PT, left = t.ow - p->PL;
  const float *x = j->x + (((intptr_t)t.n * p->H + top) * p->W + left) * C;
  for (int c = 0; c < C; c += VW) {
    vf d[POINTS], half[POINTS];
    UNROLL for (int i = 0; i < POINTS; i++) {
      int h = i / 4, w = i % 4;
      int inside = !edge || ((uint32_t)(top + h) < (uint32_t)p->H && (uint32_t)(left + w) < (uint32_t)p->W);
      d[i] = inside ? load(x + ((intptr_t)h * p->W + w) * C + c) : splat(0);
    }
    UNROLL for (int w = 0; w < 4; w++) input_line(half + w, 4, d[w], d[4 + w], d[8 + w], d[12 + w]);
    UNROLL for (int h = 0; h < 4; h++) input_line(d + 4 * h, 1, half[4 * h], half[4 * h + 1], half[4 * h + 2], half[4 * h + 3]);
    UNROLL for (int i = 0; i < POINTS; i++) store(to + i * apart + c, d[i]);
  }
}

/* A' times four numbers. */
INLINE void output_line(vf *to, int step, vf a, vf b, vf c, vf d) {
  to[0] = a + b + c;
  to[step] = b - c - d;
}

/* POINTS rows of O to one tile's outputs, as far as they lie in the image. */
static void output_tile(const job *j, corner t, const float *from, intptr_t apart) {
  const pe_conv2d *p = j->p;
  int O = p->O, before = j->tail.residual_before_act;
  intptr_t first = (((intptr_t)t.n * p->OH + t.oh) * p->OW + t.ow) * O;
  vf low = splat(j->tail.low), high = splat(j->tail.high);
  const float *residual = j->tail.late ? 0 : j->residual;
  for (int o = 0; o < O; o += VW) {
    vf half[8], out[4], bias = j->bias ? load(j->bias + o) : splat(0);
    const float *m = from + o;
    UNROLL for (int w = 0; w < 4; w++)
      output_line(half + w, 4, load(m + w * apart), load(m + (4 + w) * apart), load(m + (8 + w) * apart), load(m + (12 + w) * apart));
    UNROLL for (int h = 0; h < 2; h++) output_line(out + 2 * h, 1, half[4 * h], half[4 * h + 1], half[4 * h + 2], half[4 * h + 3]);
    UNROLL for (int i = 0; i < 4; i++) {
      if (t.oh + i / 2 >= p->OH || t.ow + i % 2 >= p->OW) continue;
      intptr_t at_pixel = first + ((intptr_t)(i / 2) * p->OW + i % 2) * O + o;
      vf v = out[i] + bias, r = residual ? load(residual + at_pixel) : splat(0);
      v = before ? at_most(at_least(v + r, low), high) : at_most(at_least(v, low), high) + r;
      store(j->y + at_pixel, v);
    }
  }
}

static void finish_tile(const job *j, corner t) {
  const pe_conv2d *p = j->p;
  int columns = p->OW - t.ow < 2 ? 1 : 2;
  for (int h = 0; h < 2 && t.oh + h < p->OH; h++) {
    intptr_t first = (((intptr_t)t.n * p->OH + t.oh + h) * p->OW + t.ow) * p->O;
    pe_tail_rows(&j->tail, j->y + first, j->residual ? j->residual + first : 0, columns, p->O, p->O);
  }
}

/* Tiles first .. first + count - 1. */
static void block(const job *j, const float *panels, float *inputs, float *sums, int first, int count) {
  const pe_conv2d *p = j->p;
  intptr_t in_apart = (intptr_t)count * p->C, out_apart = (intptr_t)count * p->O;
  for (int i = 0; i < count; i++) {
    corner t = corner_of(p, first + i);
    int top = t.oh - p->PT, left = t.ow - p->PL, edge = top < 0 || left < 0 || top + 4 > p->H || left + 4 > p->W;
    float *to = inputs + (intptr_t)i * p->C;
    edge ? input_tile(j, t, to, in_apart, 1) : input_tile(j, t, to, in_apart, 0);
  }
  pe_gemm g = {.a_row = p->C, .b_panel = (intptr_t)p->C * NR, .b_k = NR, .y_row = p->O, .M = count, .N = p->O, .segments = 1,
               .segment_k = p->C, .low = -INF, .high = INF};
  for (int i = 0; i < POINTS; i++) {
    g.a = inputs + i * in_apart;
    g.b = panels + i * (intptr_t)PANELS(p->O) * NR * p->C;
    g.y = sums + i * out_apart;
    pe_gemm_run(&g);
  }
  for (int i = 0; i < count; i++) {
    corner t = corner_of(p, first + i);
    output_tile(j, t, sums + (intptr_t)i * p->O, out_apart);
    finish_tile(j, t);
  }
}

PE_KERNEL(pe_do_conv2d_winograd) {
  const pe_conv2d *p = (const pe_conv2d *)params;
  pe_window w = {p->N, p->H, p->W, p->C, p->OH, p->OW, p->KH, p->KW, p->SH, p->SW, p->DH, p->DW, p->PT, p->PL, p->groups};
  if (!pe_window_ok(&w, p->O) || !SIZES_OK(1, POINTS, p->C, PANELS(p->O), NR) || p->y == PE_NONE || p->x == PE_NONE ||
      p->w == PE_NONE || p->scratch == PE_NONE)
    return PE_BAD_PARAM;
  if (p->KH != 3 || p->KW != 3 || p->SH != 1 || p->SW != 1 || p->DH != 1 || p->DW != 1 || p->groups != 1 || p->C % 16 || p->O % 16)
    return PE_BAD_PARAM;
  int64_t tiles = (int64_t)p->N * ((p->OH + 1) / 2) * ((p->OW + 1) / 2);
  if (p->scratch_bytes < 4 * PE_SCRATCH_WINOGRAD(tiles, (int64_t)p->C, (int64_t)p->O)) return PE_BAD_PARAM;
  job j = {.p = p, .x = at(m, p->x), .bias = at(m, p->bias), .residual = at(m, p->residual), .y = at(m, p->y)};
  int status = pe_tail_of(&j.tail, p->act, p->alpha, p->residual_before_act, p->residual != PE_NONE);
  if (status != PE_OK || tiles == 0) return status;
  /* equally large blocks */
  int blocks = (int)((tiles + PE_WINOGRAD_TILES - 1) / PE_WINOGRAD_TILES), size = (int)(tiles / blocks), larger = (int)(tiles % blocks);
  float *inputs = at(m, p->scratch);
  for (int i = 0, first = 0; i < blocks; i++) {
    int count = size + (i < larger);
    block(&j, at(m, p->w), inputs, inputs + (intptr_t)POINTS * count * p->C, first, count);
    first += count;
  }
  return PE_OK;
}
