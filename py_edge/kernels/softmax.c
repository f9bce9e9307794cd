/* Softmax, log softmax and layer (or root mean square) normalisation over rows. */
#include "kernel.h"

#include "functions.h"

static float row_max(const float *x, int n) {
  vf best = splat(-INF);
  int i = 0;
  for (; i + VW <= n; i += VW) {
    vf v = load(x + i);
    best = choose((v > best) | (v != v), v, best);
  }
  float value = -INF;
  for (int j = 0; j < VW; j++) value = best[j] > value || best[j] != best[j] ? best[j] : value;
  for (; i < n; i++) value = x[i] > value || x[i] != x[i] ? x[i] : value;
  return value;
}

/* The last elements of a row as one padded vector. */
static vf tail_of(const float *x, int n, float padding) {
  float part[VW];
  for (int i = 0; i < VW; i++) part[i] = i < n ? x[i] : padding;
  return load(part);
}

static void softmax_row(float *y, const float *x, int n) {
  vf high = splat(row_max(x, n)), sum = splat(0);
  int i = 0;
  for (; i + VW <= n; i += VW) {
    vf e = v_exp(load(x + i) - high);
    sum += e;
    store(y + i, e);
  }
  int rest = n - i;
  float tail[VW];
  if (rest) {
    vf e = v_exp(tail_of(x + i, rest, -INF) - high);
    store(tail, e);
    for (int j = rest; j < VW; j++) tail[j] = 0;
    sum += load(tail);
  }
  vf share = splat(1.0f / sum_lanes(sum));
  for (int j = 0; j < i; j += VW) store(y + j, load(y + j) * share);
  for (int j = 0; j < rest; j++) y[i + j] = tail[j] * share[0];
}

static void log_softmax_row(float *y, const float *x, int n) {
  vf high = splat(row_max(x, n)), sum = splat(0);
  int i = 0;
  for (; i + VW <= n; i += VW) sum += v_exp(load(x + i) - high);
  if (i < n) {
    float tail[VW];
    store(tail, v_exp(tail_of(x + i, n - i, -INF) - high));
    for (int j = n - i; j < VW; j++) tail[j] = 0;
    sum += load(tail);
  }
  float logarithm = v_log(splat(sum_lanes(sum)))[0];
  for (i = 0; i + VW <= n; i += VW) store(y + i, (load(x + i) - high) - logarithm);
  for (; i < n; i++) y[i] = (x[i] - high[0]) - logarithm;
}

PE_KERNEL(pe_do_softmax) {
  const pe_softmax *p = (const pe_softmax *)params;
  if (!SIZES_OK(0, p->rows, p->n) || p->y == PE_NONE || p->x == PE_NONE) return PE_BAD_PARAM;
  float *y = at(m, p->y);
  const float *x = at(m, p->x);
  for (int i = 0; i < p->rows; i++, x += p->n, y += p->n) p->log ? log_softmax_row(y, x, p->n) : softmax_row(y, x, p->n);
  return PE_OK;
}

/* Sum of (x - centre)^power, power 1 or 2. */
INLINE float moment(const float *x, int n, float centre, int power) {
  vf s0 = splat(0), s1 = splat(0);
  int i = 0;
  for (; i + 2 * VW <= n; i += 2 * VW) {
    vf a = load(x + i) - centre, b = load(x + i + VW) - centre;
    s0 = power == 2 ? fma(a, a, s0) : s0 + a;
    s1 = power == 2 ? fma(b, b, s1) : s1 + b;
  }
  float sum = sum_lanes(s0 + s1);
  for (; i < n; i++) {
    float a = x[i] - centre;
    sum += power == 2 ? a * a : a;
  }
  return sum;
}

PE_KERNEL(pe_do_normalize) {
  const pe_normalize *p = (const pe_normalize *)params;
  if (!SIZES_OK(0, p->rows, p->n) || p->y == PE_NONE || p->x == PE_NONE) return PE_BAD_PARAM;
  float *y = at(m, p->y), epsilon = bits_to_float(p->epsilon);
  const float *x = at(m, p->x), *scale = at(m, p->scale), *offset = at(m, p->offset);
  int n = p->n;
  for (int r = 0; r < p->rows; r++, x += n, y += n) {
    float mean = p->rms ? 0 : moment(x, n, 0, 1) / (float)n;
    float factor = 1.0f / __builtin_sqrtf(moment(x, n, mean, 2) / (float)n + epsilon);
    int i = 0;
    for (; i + VW <= n; i += VW) {
      vf v = (load(x + i) - mean) * factor;
      if (scale) v = v * load(scale + i);
      if (offset) v = v + load(offset + i);
      store(y + i, v);
    }
    for (; i < n; i++) {
      float v = (x[i] - mean) * factor;
      if (scale) v *= scale[i];
      if (offset) v += offset[i];
      y[i] = v;
    }
  }
  return PE_OK;
}
