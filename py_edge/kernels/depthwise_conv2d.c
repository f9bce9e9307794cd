/* Depthwise convolution, three ways.
 *
 * Windows of 3 columns are swept: for one vector of channels all weights stay in registers and an input is loaded once per
 * output row, for every output whose window holds it: 3 loads per 9 products at stride 1, 6 at stride 2. Where channels lie
 * a power of two apart, few lines of a sweep fit into the first cache; there, and with 5 columns, some output pixels and
 * vectors are made at once. Every other shape, dilation along the row and multiplier goes through the plain loop. */
#include "gemm.h"

#include "functions.h"

typedef struct {
  const pe_depthwise_conv2d *p;
  const float *x, *w, *bias, *residual;
  float *y, low, high;
  int residual_before_act, late;
} job;

/* The first n channels of a vector: residual and clamp. */
INLINE vf finish(const job *j, vf v, const float *residual, int n) {
  vf r = residual ? load_first(residual, n) : splat(0), low = splat(j->low), high = splat(j->high);
  return j->residual_before_act ? at_most(at_least(v + r, low), high) : at_most(at_least(v, low), high) + r;
}

/* One output row: where its pixels read and write, and the taps of a window column inside the image. */
typedef struct {
  const float *x, *w, *residual;
  float *y;
  int taps;
} line;

static line line_of(const job *j, int n, int oh) {
  const pe_depthwise_conv2d *p = j->p;
  pe_span s = pe_span_of(oh, p->SH, p->PT, p->KH, p->DH, p->H);
  intptr_t first = ((intptr_t)n * p->OH + oh) * p->OW * p->C;
  line l = {j->x + ((intptr_t)n * p->H + s.origin + s.first * p->DH) * p->W * p->C, j->w + (intptr_t)s.first * p->KW * p->C,
            j->residual && !j->late ? j->residual + first : 0, j->y + first, s.end - s.first};
  return l;
}

/* Output pixels ow .. ow + PX - 1 of a row, V vectors of channels at once. edge: some columns lie outside. */
INLINE void pixels(const job *j, const line *l, int ow, int V, int PX, int KW, int SW, int edge) {
  const pe_depthwise_conv2d *p = j->p;
  int C = p->C, left = ow * SW - p->PL, W = p->W, taps = l->taps;
  intptr_t next_x = (intptr_t)W * C * p->DH, next_w = (intptr_t)KW * C;
  const float *x = l->x + (intptr_t)left * C, *w = l->w, *bias = j->bias;
  const float *residual = l->residual ? l->residual + (intptr_t)ow * C : 0;
  float *y = l->y + (intptr_t)ow * C;
  vf low = splat(j->low), high = splat(j->high);
  /* the last vectors overlap those before them when C is no multiple */
  for (int next = 0; next < C; next += V * VW) {
    int c = next + V * VW > C ? C - V * VW : next;
    vf acc[2][7];
    UNROLL for (int v = 0; v < V; v++) {
      vf start = bias ? load(bias + c + v * VW) : splat(0);
      UNROLL for (int q = 0; q < PX; q++) acc[v][q] = start;
    }
    const float *xr = x + c, *wr = w + c;
    for (int kh = 0; kh < taps; kh++, xr += next_x, wr += next_w) {
      vf weight[2][5];
      UNROLL for (int kw = 0; kw < KW; kw++)
        UNROLL for (int v = 0; v < V; v++) weight[v][kw] = load(wr + kw * C + v * VW);
      const float *xi = xr;
      UNROLL for (int i = 0; i < (PX - 1) * SW + KW; i++, xi += C) {
        if (edge && (uint32_t)(left + i) >= (uint32_t)W) continue;
        UNROLL for (int v = 0; v < V; v++) {
          vf in = load(xi + v * VW);
          UNROLL for (int q = 0; q < PX; q++) {
            int kw = i - q * SW;
            if (kw < 0 || kw >= KW) continue;
            acc[v][q] = fma(in, weight[v][kw], acc[v][q]);
            IN_ORDER(acc[v][q]);
          }
        }
      }
    }
    UNROLL for (int v = 0; v < V; v++, c += VW) {
      if (residual) {
        UNROLL for (int q = 0; q < PX; q++) store(y + q * C + c, finish(j, acc[v][q], residual + q * C + c, VW));
      } else {
        UNROLL for (int q = 0; q < PX; q++) store(y + q * C + c, at_most(at_least(acc[v][q], low), high));
      }
    }
  }
}

/* Output pixels from .. end - 1 of a row, window of TAPS x 3. `sum` is of the pixel that is stored next, `later` of the one
 * after it. add: there is a residual. */
INLINE void sweep(const job *j, const line *l, int from, int end, int TAPS, int SW, int add) {
  const pe_depthwise_conv2d *p = j->p;
  int C = p->C, left = from * SW - p->PL;
  intptr_t next_x = (intptr_t)p->W * C * p->DH, first = (intptr_t)(left > 0 ? left : 0) * C;
  vf low = splat(j->low), high = splat(j->high);
  /* the outputs whose last column lies inside the image */
  int whole = (p->W - 3 + p->PL) / SW + 1;
  if (whole > end) whole = end;
  for (int next = 0; next < C; next += VW) {
    int c = next + VW > C ? C - VW : next, ow = from;
    const float *x = l->x + first + c, *residual = add ? l->residual + (intptr_t)from * C + c : 0;
    float *y = l->y + (intptr_t)from * C + c;
    vf weight[TAPS][3], start = j->bias ? load(j->bias + c) : splat(0), sum = start, later = start;
    UNROLL for (int kh = 0; kh < TAPS; kh++)
      UNROLL for (int kw = 0; kw < 3; kw++) weight[kh][kw] = load(l->w + (kh * 3 + kw) * C + c);
/* clang-format off */
#define COLUMN(products) UNROLL for (int kh = 0; kh < TAPS; kh++) { vf in = load(x + kh * next_x); products } x += C
#define ADD(to, kw) to = fma(in, weight[kh][kw], to); IN_ORDER(to);
#define OUT store(y, add ? finish(j, sum, residual, VW) : at_most(at_least(sum, low), high)); \
            y += C; if (add) residual += C
    /* clang-format on */
    if (SW == 2) {
      if (left >= 0) { COLUMN(ADD(sum, 0)); }
      for (; ow < whole; ow++, sum = later) {
        later = start;
        COLUMN(ADD(sum, 1));
        COLUMN(ADD(sum, 2) ADD(later, 0));
        OUT;
      }
      if (ow < end && 2 * ow - p->PL + 1 < p->W) { COLUMN(ADD(sum, 1)); }
    } else {
      if (left >= 0) { COLUMN(ADD(sum, 0)); }
      if (left >= -1 && left + 1 < p->W) { COLUMN(ADD(sum, 1) ADD(later, 0)); }
      for (; ow < whole; ow++) {
        vf last = start;
        COLUMN(ADD(sum, 2) ADD(later, 1) ADD(last, 0));
        OUT;
        sum = later, later = last;
      }
    }
    for (; ow < end; ow++, sum = later) { OUT; }
#undef COLUMN
#undef ADD
#undef OUT
  }
}

/* One output element, the slow truth. */
static float element(const job *j, int n, int oh, int ow, int c, int mul) {
  const pe_depthwise_conv2d *p = j->p;
  float sum = j->bias ? j->bias[c * p->M + mul] : 0;
  for (int kh = 0; kh < p->KH; kh++) {
    int h = oh * p->SH - p->PT + kh * p->DH;
    if (h < 0 || h >= p->H) continue;
    for (int kw = 0; kw < p->KW; kw++) {
      int column = ow * p->SW - p->PL + kw * p->DW;
      if (column < 0 || column >= p->W) continue;
      sum += j->x[(((intptr_t)n * p->H + h) * p->W + column) * p->C + c] *
             j->w[(((intptr_t)kh * p->KW + kw) * p->C + c) * p->M + mul];
    }
  }
  return sum;
}

static void element_out(const job *j, int n, int oh, int ow, int c, int mul) {
  const pe_depthwise_conv2d *p = j->p;
  intptr_t i = (((intptr_t)n * p->OH + oh) * p->OW + ow) * p->C * p->M + c * p->M + mul;
  float v = element(j, n, oh, ow, c, mul), r = j->residual && !j->late ? j->residual[i] : 0;
  if (j->residual_before_act) v += r;
  v = v < j->low ? j->low : v > j->high ? j->high : v;
  j->y[i] = j->residual_before_act ? v : v + r;
}

/* One output pixel, any window; vectors over channels when M is 1. */
static void any_pixel(const job *j, int n, int oh, int ow) {
  const pe_depthwise_conv2d *p = j->p;
  int C = p->C;
  pe_span rows = pe_span_of(oh, p->SH, p->PT, p->KH, p->DH, p->H), columns = pe_span_of(ow, p->SW, p->PL, p->KW, p->DW, p->W);
  intptr_t first = (((intptr_t)n * p->OH + oh) * p->OW + ow) * C;
  for (int c = 0; p->M == 1 && c < C; c += VW) {
    int lanes = C - c < VW ? C - c : VW;
    vf acc = j->bias ? load_first(j->bias + c, lanes) : splat(0);
    for (int kh = rows.first; kh < rows.end; kh++) {
      const float *x = j->x + ((intptr_t)n * p->H + rows.origin + kh * p->DH) * p->W * C + c;
      const float *w = j->w + (intptr_t)kh * p->KW * C + c;
      for (int kw = columns.first; kw < columns.end; kw++) {
        const float *at = x + (intptr_t)(columns.origin + kw * p->DW) * C;
        acc = fma(load_first(at, lanes), load_first(w + kw * C, lanes), acc);
      }
    }
    const float *residual = j->residual && !j->late ? j->residual + first + c : 0;
    store_first(j->y + first + c, finish(j, acc, residual, lanes), lanes);
  }
  for (int c = 0; p->M != 1 && c < C; c++)
    for (int mul = 0; mul < p->M; mul++) element_out(j, n, oh, ow, c, mul);
}

typedef void (*pixels_fn)(const job *j, const line *l, int ow);
#define SHAPE(V, PX, KW, SW)                                                                                               \
  static void inner_##PX##_##KW##_##SW(const job *j, const line *l, int ow) { pixels(j, l, ow, V, PX, KW, SW, 0); }        \
  static void edge_##PX##_##KW##_##SW(const job *j, const line *l, int ow) { pixels(j, l, ow, V, PX, KW, SW, 1); }
SHAPE(2, 4, 3, 1) SHAPE(2, 4, 3, 2) SHAPE(1, 4, 5, 1) SHAPE(1, 4, 5, 2) SHAPE(1, 7, 5, 1) SHAPE(1, 7, 5, 2)
/* run: by [edge] */
typedef struct { int vectors, pixels; pixels_fn run[2]; } tile;
#define TILE(V, PX, KW, SW) {V, PX, {inner_##PX##_##KW##_##SW, edge_##PX##_##KW##_##SW}}
/* by [stride is 2]; rows of 224 / 2^n are multiples of seven */
static const tile three[2] = {TILE(2, 4, 3, 1), TILE(2, 4, 3, 2)};
static const tile five[2] = {TILE(1, 4, 5, 1), TILE(1, 4, 5, 2)}, five_by_seven[2] = {TILE(1, 7, 5, 1), TILE(1, 7, 5, 2)};

/* The unrolled tile for this shape, or null. */
static const tile *tile_of(const pe_depthwise_conv2d *p) {
  if (p->M != 1 || p->DW != 1 || p->SW > 2 || (p->KW != 3 && p->KW != 5)) return 0;
  const tile *t = &(p->KW == 3 ? three : p->OW % 7 ? five : five_by_seven)[p->SW == 2];
  return p->C >= t->vectors * VW && p->OW >= t->pixels ? t : 0;
}

typedef void (*sweep_fn)(const job *j, const line *l, int from, int end);
#define SWEEP(TAPS, SW)                                                                    \
  static void sweep_##TAPS##_##SW(const job *j, const line *l, int from, int end) {        \
    l->residual ? sweep(j, l, from, end, TAPS, SW, 1) : sweep(j, l, from, end, TAPS, SW, 0); \
  }
SWEEP(2, 1) SWEEP(2, 2) SWEEP(3, 1) SWEEP(3, 2)
/* by [stride is 2][three rows of the window lie inside, not two] */
static const sweep_fn sweeps[2][2] = {{sweep_2_1, sweep_3_1}, {sweep_2_2, sweep_3_2}};

/* Pixels of a sweep, and the channels from whose multiples on its lines no longer fit: 28 pixels and a window of three rows
 * touch about 120 lines of 64 bytes, which a first cache of 32 KiB and eight ways keeps unless they lie 1 KiB apart. */
enum { SWEPT = 28, GAP = 1024 / 4 };

/* The sweeps of this shape, or null: of the last outputs at most one (at stride 1 two) have columns outside on the right. */
static const sweep_fn *sweeps_of(const pe_depthwise_conv2d *p) {
  if (p->M != 1 || p->DW != 1 || p->KW != 3 || p->SW > 2 || p->C < VW || p->C % GAP == 0 || p->W < 3) return 0;
  int whole = (p->W - 3 + p->PL) / p->SW + 1;
  return p->PL <= 3 - p->SW && p->OW <= whole + 3 - p->SW ? sweeps[p->SW == 2] : 0;
}

static void row(const job *j, int n, int oh, const sweep_fn *swept, const tile *t) {
  const pe_depthwise_conv2d *p = j->p;
  line l = line_of(j, n, oh);
  if (swept && (l.taps == 2 || l.taps == 3)) {
    for (int ow = 0; ow < p->OW; ow += SWEPT) swept[l.taps == 3](j, &l, ow, ow + SWEPT > p->OW ? p->OW : ow + SWEPT);
    return;
  }
  if (!t) {
    for (int ow = 0; ow < p->OW; ow++) any_pixel(j, n, oh, ow);
    return;
  }
  for (int ow = 0; ow < p->OW; ow += t->pixels) {
    int from = ow + t->pixels > p->OW ? p->OW - t->pixels : ow, left = from * p->SW - p->PL;
    int outside = left < 0 || left + (t->pixels - 1) * p->SW + p->KW > p->W;
    t->run[outside](j, &l, from);
  }
}

PE_KERNEL(pe_do_depthwise_conv2d) {
  const pe_depthwise_conv2d *p = (const pe_depthwise_conv2d *)params;
  if (!SIZES_OK(1, p->KH, p->KW, p->C, p->M) || !SIZES_OK(0, p->N, p->OH, p->OW, p->C, p->M) ||
      !SIZES_OK(0, p->N, p->H, p->W, p->C) || !SIZES_OK(1, p->KH, p->DH) || !SIZES_OK(1, p->KW, p->DW) ||
      !SIZES_OK(0, p->OH, p->SH) || !SIZES_OK(0, p->OW, p->SW) || p->SH < 1 || p->SW < 1 || p->PT < 0 || p->PL < 0 ||
      p->PT > (1 << 28) || p->PL > (1 << 28) || p->y == PE_NONE || p->x == PE_NONE || p->w == PE_NONE)
    return PE_BAD_PARAM;
  pe_tail tail;
  int status = pe_tail_of(&tail, p->act, p->alpha, p->residual_before_act, p->residual != PE_NONE);
  if (status != PE_OK) return status;
  job j = {p, at(m, p->x), at(m, p->w), at(m, p->bias), at(m, p->residual), at(m, p->y), tail.low, tail.high};
  j.residual_before_act = tail.residual_before_act;
  j.late = tail.late;
  const tile *t = tile_of(p);
  const sweep_fn *swept = sweeps_of(p);
  intptr_t width = (intptr_t)p->OW * p->C * p->M;
  for (int n = 0; n < p->N; n++)
    for (int oh = 0; oh < p->OH; oh++) {
      intptr_t first = ((intptr_t)n * p->OH + oh) * width;
      row(&j, n, oh, swept, t);
      pe_tail_rows(&tail, j.y + first, j.residual ? j.residual + first : 0, 1, (int)width, width);
    }
  return PE_OK;
}

static int grad_ok(const pe_depthwise_grad *p) {
  return SIZES_OK(1, p->KH, p->KW, p->C, p->M) && SIZES_OK(0, p->N, p->OH, p->OW, p->C, p->M) &&
         SIZES_OK(0, p->N, p->H, p->W, p->C) && SIZES_OK(1, p->KH, p->DH) && SIZES_OK(1, p->KW, p->DW) &&
         SIZES_OK(0, p->OH, p->SH) && SIZES_OK(0, p->OW, p->SW) && p->SH >= 1 && p->SW >= 1 && p->PT >= 0 && p->PL >= 0 &&
         p->PT <= (1 << 28) && p->PL <= (1 << 28) && p->out != PE_NONE && p->in0 != PE_NONE && p->in1 != PE_NONE;
}

/* Every (output pixel, tap) inside the image: x pixel, dy pixel, tap index. */
#define EACH_TAP(p, body)                                                                \
  for (int n = 0; n < p->N; n++)                                                         \
    for (int oh = 0; oh < p->OH; oh++)                                                   \
      for (int kh = 0; kh < p->KH; kh++) {                                               \
        int h = oh * p->SH - p->PT + kh * p->DH;                                         \
        if (h < 0 || h >= p->H) continue;                                                \
        for (int ow = 0; ow < p->OW; ow++)                                               \
          for (int kw = 0; kw < p->KW; kw++) {                                           \
            int column = ow * p->SW - p->PL + kw * p->DW;                                \
            if (column < 0 || column >= p->W) continue;                                  \
            intptr_t input = (((intptr_t)n * p->H + h) * p->W + column) * p->C;          \
            intptr_t output = (((intptr_t)n * p->OH + oh) * p->OW + ow) * p->C * p->M;   \
            intptr_t tap = ((intptr_t)kh * p->KW + kw) * p->C * p->M;                    \
            body                                                                         \
          }                                                                              \
      }

/* d += a b elementwise, n of them */
static void add_products(float *d, const float *a, const float *b, int n) {
  int i = 0;
  for (; i + VW <= n; i += VW) store(d + i, fma(load(a + i), load(b + i), load(d + i)));
  for (; i < n; i++) d[i] += a[i] * b[i];
}

PE_KERNEL(pe_do_depthwise_input_grad) {
  const pe_depthwise_grad *p = (const pe_depthwise_grad *)params;
  if (!grad_ok(p)) return PE_BAD_PARAM;
  float *dx = at(m, p->out);
  const float *dy = at(m, p->in0), *w = at(m, p->in1);
  zero_floats(dx, p->N * p->H * p->W * p->C);
  EACH_TAP(p, {
    if (p->M == 1) {
      add_products(dx + input, dy + output, w + tap, p->C);
      continue;
    }
    for (int c = 0; c < p->C; c++)
      for (int mul = 0; mul < p->M; mul++) dx[input + c] += dy[output + c * p->M + mul] * w[tap + c * p->M + mul];
  })
  return PE_OK;
}

/* The taps of one window row over one output row, whole vectors of channels: sums stay in registers along the row. */
INLINE void filter_row(float *dw, const float *x, const float *dy, const pe_depthwise_grad *p, int KW) {
  int C = p->C;
  for (int c = 0; c + VW <= C; c += VW) {
    vf acc[5];
    UNROLL for (int kw = 0; kw < KW; kw++) acc[kw] = splat(0);
    for (int ow = 0; ow < p->OW; ow++) {
      vf v = load(dy + (intptr_t)ow * C + c);
      int left = ow * p->SW - p->PL;
      UNROLL for (int kw = 0; kw < KW; kw++) {
        int column = left + kw * p->DW;
        if ((uint32_t)column < (uint32_t)p->W) acc[kw] = fma(v, load(x + (intptr_t)column * C + c), acc[kw]);
      }
    }
    UNROLL for (int kw = 0; kw < KW; kw++) store(dw + kw * C + c, load(dw + kw * C + c) + acc[kw]);
  }
}

/* All rows; returns how many channels are done. */
static int filter_rows(float *dw, const float *x, const float *dy, const pe_depthwise_grad *p) {
  if (p->M != 1 || (p->KW != 3 && p->KW != 5)) return 0;
  for (int n = 0; n < p->N; n++)
    for (int oh = 0; oh < p->OH; oh++) {
      pe_span s = pe_span_of(oh, p->SH, p->PT, p->KH, p->DH, p->H);
      const float *row = dy + ((intptr_t)n * p->OH + oh) * p->OW * p->C;
      for (int kh = s.first; kh < s.end; kh++) {
        const float *line = x + ((intptr_t)n * p->H + s.origin + kh * p->DH) * p->W * p->C;
        float *taps = dw + (intptr_t)kh * p->KW * p->C;
        p->KW == 3 ? filter_row(taps, line, row, p, 3) : filter_row(taps, line, row, p, 5);
      }
    }
  return p->C / VW * VW;
}

PE_KERNEL(pe_do_depthwise_filter_grad) {
  const pe_depthwise_grad *p = (const pe_depthwise_grad *)params;
  if (!grad_ok(p)) return PE_BAD_PARAM;
  float *dw = at(m, p->out);
  const float *x = at(m, p->in0), *dy = at(m, p->in1);
  zero_floats(dw, p->KH * p->KW * p->C * p->M);
  int done = filter_rows(dw, x, dy, p);
  if (done == p->C) return PE_OK;
  EACH_TAP(p, {
    if (p->M == 1) {
      add_products(dw + tap + done, x + input + done, dy + output + done, p->C - done);
      continue;
    }
    for (int c = 0; c < p->C; c++)
      for (int mul = 0; mul < p->M; mul++) dw[tap + c * p->M + mul] += x[input + c] * dy[output + c * p->M + mul];
  })
  return PE_OK;
}
