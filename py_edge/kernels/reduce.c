/* Reductions and running sums over the middle of (outer, n, inner).
 *
 * Float sums are kept in blocks of 64 before they join the total, so that long ones lose little. */
#include "kernel.h"

#include "functions.h"

enum { SUM, MEAN, PROD, MAX, MIN, ANY, ALL, ARGMAX, ARGMIN, KINDS };
enum { BLOCK = 64 };

INLINE vf join(int kind, vf a, vf b) {
  switch (kind) {
    case PROD: return a * b;
    case MAX: return choose((b > a) | (b != b), b, a);
    case MIN: return choose((b < a) | (b != b), b, a);
    default: return a + b;
  }
}

static float join_one(int kind, float a, float b) {
  switch (kind) {
    case PROD: return a * b;
    case MAX: return b > a || b != b ? b : a;
    case MIN: return b < a || b != b ? b : a;
    default: return a + b;
  }
}

INLINE float neutral(int kind) { return kind == PROD ? 1 : kind == MAX ? -INF : kind == MIN ? INF : 0; }

/* VW neighbouring columns of (n, inner). */
INLINE vf column_vector(const float *x, int kind, int n, intptr_t inner) {
  vf total = splat(neutral(kind));
  for (int i = 0; i < n;) {
    int end = n - i < BLOCK ? n : i + BLOCK;
    vf part = splat(neutral(kind));
    for (; i < end; i++) part = join(kind, part, load(x + i * inner));
    total = join(kind, total, part);
  }
  return total;
}

static float column_one(const float *x, int kind, int n, intptr_t inner) {
  float total = neutral(kind);
  for (int i = 0; i < n;) {
    int end = n - i < BLOCK ? n : i + BLOCK;
    float part = neutral(kind);
    for (; i < end; i++) part = join_one(kind, part, x[i * inner]);
    total = join_one(kind, total, part);
  }
  return total;
}

/* A contiguous row of n: four vectors side by side. */
INLINE float row_sum(const float *x, int kind, int n) {
  vf total = splat(neutral(kind));
  int i = 0;
  while (i + 4 * VW <= n) {
    int end = n - i < BLOCK * 4 * VW ? n : i + BLOCK * 4 * VW;
    vf p0 = splat(neutral(kind)), p1 = p0, p2 = p0, p3 = p0;
    for (; i + 4 * VW <= end; i += 4 * VW) {
      p0 = join(kind, p0, load(x + i));
      p1 = join(kind, p1, load(x + i + VW));
      p2 = join(kind, p2, load(x + i + 2 * VW));
      p3 = join(kind, p3, load(x + i + 3 * VW));
    }
    total = join(kind, total, join(kind, join(kind, p0, p1), join(kind, p2, p3)));
  }
  for (; i + VW <= n; i += VW) total = join(kind, total, load(x + i));
  float value = neutral(kind);
  for (int j = 0; j < VW; j++) value = join_one(kind, value, total[j]);
  for (; i < n; i++) value = join_one(kind, value, x[i]);
  return value;
}

INLINE void reduce_floats(float *y, const float *x, int kind, const pe_reduce *p) {
  float share = kind == MEAN ? 1.0f / (float)p->n : 1;
  int inner = p->inner;
  for (int o = 0; o < p->outer; o++, x += (intptr_t)p->n * inner, y += inner) {
    if (inner == 1) {
      y[0] = row_sum(x, kind, p->n) * share;
      continue;
    }
    int c = 0;
    for (; c + VW <= inner; c += VW) store(y + c, column_vector(x + c, kind, p->n, inner) * share);
    for (; c < inner; c++) y[c] = column_one(x + c, kind, p->n, inner) * share;
  }
}

static void mean_of_nothing(float *y, int n) {
  for (int i = 0; i < n; i++) y[i] = __builtin_nanf("");
}

static void reduce_ints(int32_t *y, const int32_t *x, const pe_reduce *p) {
  for (int o = 0; o < p->outer; o++, x += (intptr_t)p->n * p->inner, y += p->inner)
    for (int c = 0; c < p->inner; c++) {
      uint32_t sum = p->kind == PROD;
      int32_t best = p->kind == MAX ? INT32_MIN : INT32_MAX;
      for (int i = 0; i < p->n; i++) {
        int32_t v = x[(intptr_t)i * p->inner + c];
        if (p->kind == MAX)
          best = v > best ? v : best;
        else if (p->kind == MIN)
          best = v < best ? v : best;
        else
          sum = p->kind == PROD ? sum * (uint32_t)v : sum + (uint32_t)v;
      }
      if (p->kind == MEAN) sum = p->n ? (uint32_t)((int32_t)sum / p->n) : 0;
      y[c] = p->kind == MAX || p->kind == MIN ? best : (int32_t)sum;
    }
}

static void reduce_bools(uint8_t *y, const uint8_t *x, const pe_reduce *p) {
  for (int o = 0; o < p->outer; o++, x += (intptr_t)p->n * p->inner, y += p->inner)
    for (int c = 0; c < p->inner; c++) {
      uint8_t value = p->kind == ALL;
      for (int i = 0; i < p->n; i++) {
        uint8_t v = x[(intptr_t)i * p->inner + c] != 0;
        value = p->kind == ALL ? value & v : value | v;
      }
      y[c] = value;
    }
}

/* The first of the best; NaN never wins. */
#define ARG(name, type, worst_high, worst_low)                                                               \
  static void name(int32_t *y, const type *x, const pe_reduce *p) {                                          \
    for (int o = 0; o < p->outer; o++, x += (intptr_t)p->n * p->inner, y += p->inner)                        \
      for (int c = 0; c < p->inner; c++) {                                                                   \
        type best = p->kind == ARGMAX ? worst_low : worst_high;                                              \
        int32_t index = 0;                                                                                   \
        for (int i = 0; i < p->n; i++) {                                                                     \
          type v = x[(intptr_t)i * p->inner + c];                                                            \
          int better = p->kind == ARGMAX ? v > best : v < best;                                              \
          index = better ? i : index;                                                                        \
          best = better ? v : best;                                                                          \
        }                                                                                                    \
        y[c] = index;                                                                                        \
      }                                                                                                      \
  }
ARG(arg_floats, float, INF, -INF)
ARG(arg_ints, int32_t, INT32_MAX, INT32_MIN)

PE_KERNEL(pe_do_reduce) {
  const pe_reduce *p = (const pe_reduce *)params;
  if (!SIZES_OK(0, p->outer, p->n, p->inner) || !SIZES_OK(0, p->outer, p->inner) || p->kind < 0 || p->kind >= KINDS ||
      p->y == PE_NONE || p->x == PE_NONE)
    return PE_BAD_PARAM;
  int boolean = p->kind == ANY || p->kind == ALL;
  if (boolean != (p->type == PE_BOOL) || p->type < 0 || p->type > PE_BOOL) return PE_BAD_PARAM;
  void *y = at(m, p->y);
  const void *x = at(m, p->x);
  if (boolean)
    reduce_bools(y, x, p);
  else if (p->kind >= ARGMAX)
    p->type == PE_F32 ? arg_floats(y, x, p) : arg_ints(y, x, p);
  else if (p->type == PE_I32)
    reduce_ints(y, x, p);
  else if (p->kind == MEAN && p->n == 0)
    mean_of_nothing(y, p->outer * p->inner);
  else
    switch (p->kind) {
      case SUM: reduce_floats(y, x, SUM, p); break;
      case MEAN: reduce_floats(y, x, MEAN, p); break;
      case PROD: reduce_floats(y, x, PROD, p); break;
      case MAX: reduce_floats(y, x, MAX, p); break;
      default: reduce_floats(y, x, MIN, p);
    }
  return PE_OK;
}

#define CUMULATE(name, type, wide)                                                                            \
  static void name(type *y, const type *x, const pe_cumulate *p) {                                            \
    intptr_t step = p->reverse ? -(intptr_t)p->inner : p->inner;                                              \
    intptr_t begin = p->reverse && p->n ? (intptr_t)(p->n - 1) * p->inner : 0;                                \
    for (int o = 0; o < p->outer; o++, x += (intptr_t)p->n * p->inner, y += (intptr_t)p->n * p->inner)        \
      for (int c = 0; c < p->inner; c++) {                                                                    \
        wide total = p->kind;                                                                                 \
        intptr_t i = begin + c;                                                                               \
        for (int k = 0; k < p->n; k++, i += step) {                                                           \
          wide before = total;                                                                                \
          total = p->kind ? total * (wide)x[i] : total + (wide)x[i];                                          \
          y[i] = (type)(p->exclusive ? before : total);                                                       \
        }                                                                                                     \
      }                                                                                                       \
  }
CUMULATE(cumulate_floats, float, double)
CUMULATE(cumulate_ints, int32_t, uint32_t)

PE_KERNEL(pe_do_cumulate) {
  const pe_cumulate *p = (const pe_cumulate *)params;
  if (!SIZES_OK(0, p->outer, p->n, p->inner) || p->kind < 0 || p->kind > 1 || p->y == PE_NONE || p->x == PE_NONE)
    return PE_BAD_PARAM;
  if (p->type == PE_F32)
    cumulate_floats(at(m, p->y), at(m, p->x), p);
  else if (p->type == PE_I32)
    cumulate_ints(at(m, p->y), at(m, p->x), p);
  else
    return PE_BAD_PARAM;
  return PE_OK;
}
