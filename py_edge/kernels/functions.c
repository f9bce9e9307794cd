/* One small loop per opcode, in a table: what elementwise chains and the epilogues of products call.
 *
 * Every function: d[0..n) = f(a, b, c), n a multiple of VW, d may be a, b or c. Bools are int32 lanes of 0 or 1. */
#include "functions.h"
#include "kernel.h"

#define LANES(name, expression)                                                                                    \
  static void name(float *d, const float *a, const float *b, const float *c, int n, float alpha) {                 \
    for (int i = 0; i < n; i += VW) {                                                                              \
      vf x = load(a + i);                                                                                          \
      store(d + i, expression);                                                                                    \
    }                                                                                                              \
  }
#define LANES2(name, expression)                                                                                   \
  static void name(float *d, const float *a, const float *b, const float *c, int n, float alpha) {                 \
    for (int i = 0; i < n; i += VW) {                                                                              \
      vf x = load(a + i), y = load(b + i);                                                                         \
      store(d + i, expression);                                                                                    \
    }                                                                                                              \
  }
#define INTS2(name, expression)                                                                                    \
  static void name(float *d, const float *a, const float *b, const float *c, int n, float alpha) {                 \
    for (int i = 0; i < n; i += VW) {                                                                              \
      vi x = load_int(a + i), y = load_int(b + i);                                                                 \
      store_int(d + i, expression);                                                                                \
    }                                                                                                              \
  }
#define INTS(name, expression)                                                                                     \
  static void name(float *d, const float *a, const float *b, const float *c, int n, float alpha) {                 \
    for (int i = 0; i < n; i += VW) {                                                                              \
      vi x = load_int(a + i);                                                                                      \
      store_int(d + i, expression);                                                                                \
    }                                                                                                              \
  }
/* One lane after the other, for what vectors do not have. */
#define EACH2(name, expression)                                                                                    \
  static void name(float *d, const float *a, const float *b, const float *c, int n, float alpha) {                 \
    const int32_t *p = (const int32_t *)a, *q = (const int32_t *)b;                                                \
    for (int i = 0; i < n; i++) {                                                                                  \
      int32_t x = p[i], y = q[i];                                                                                  \
      ((int32_t *)d)[i] = expression;                                                                              \
    }                                                                                                              \
  }

#define TRUE_MASK(mask) ((mask) & 1)
#define ONE splat(1)
#define ZERO splat(0)
#define FINITE_MAX splat(3.40282347e+38f)

LANES(u_copy, x)
LANES(u_neg, -x)
LANES(u_abs, absolute(x))
LANES(u_sign, choose(x > ZERO, ONE, choose(x < ZERO, -ONE, x)))
LANES(u_floor, __builtin_elementwise_floor(x))
LANES(u_ceil, __builtin_elementwise_ceil(x))
LANES(u_round, __builtin_elementwise_roundeven(x))
LANES(u_sqrt, __builtin_elementwise_sqrt(x))
LANES(u_rsqrt, ONE / __builtin_elementwise_sqrt(x))
LANES(u_reciprocal, ONE / x)
LANES(u_square, x * x)
LANES(u_exp, v_exp(x))
LANES(u_expm1, narrow(d_expm1(widen(x))))
LANES(u_log, v_log(x))
LANES(u_log1p, narrow(d_log1p(widen(x))))
LANES(u_sin, narrow(d_sin_cos(widen(x)).sine))
LANES(u_cos, narrow(d_sin_cos(widen(x)).cosine))
static vf tangent(vf x) {
  vd_pair p = d_sin_cos(widen(x));
  return narrow(p.sine / p.cosine);
}
LANES(u_tan, tangent(x))
LANES(u_asin, narrow(d_asin(widen(x))))
LANES(u_acos, narrow(1.57079632679489661923 - d_asin(widen(x))))
LANES(u_atan, narrow(d_atan(widen(x))))
LANES(u_sinh, narrow((d_expm1(widen(x)) - d_expm1(-widen(x))) * 0.5))
LANES(u_cosh, narrow((d_exp(widen(x)) + d_exp(-widen(x))) * 0.5))
LANES(u_tanh, v_tanh(x))
static vf area_sine(vf x) {
  vd t = d_abs(widen(x));
  vd y = d_log1p(t + t * t / (1.0 + d_sqrt(t * t + 1.0)));
  return narrow(as_double(as_long(y) | (as_long(widen(x)) & INT64_MIN)));
}
LANES(u_asinh, choose(absolute(x) == splat(INF), x, area_sine(x)))
static vf area_cosine(vf x) {
  vd t = widen(x) - 1.0, y = d_log1p(t + d_sqrt(t * (t + 2.0)));
  return narrow(d_choose(t < 0.0, (vd)__builtin_nan(""), y));
}
LANES(u_acosh, area_cosine(x))
LANES(u_atanh, narrow(0.5 * (d_log1p(widen(x)) - d_log1p(-widen(x)))))
LANES(u_erf, v_erf(x))
LANES(u_sigmoid, v_sigmoid(x))
LANES(u_softplus, v_softplus(x))
LANES(u_softsign, x / (1.0f + absolute(x)))
LANES(u_relu, at_least(x, ZERO))
LANES(u_relu6, at_most(at_least(x, ZERO), splat(6)))
LANES(u_elu, choose(x > ZERO, x, alpha * (v_exp(x) - 1.0f)))
LANES(u_selu, 1.0507009873554805f * choose(x > ZERO, x, 1.6732632423543772f * (v_exp(x) - 1.0f)))
LANES(u_leaky_relu, choose(x > ZERO, x, alpha * x))
LANES(u_hard_sigmoid, at_most(at_least(fma(x, splat(0.2f), splat(0.5f)), ZERO), ONE))
LANES(u_hard_swish, x * at_most(at_least(x + 3.0f, ZERO), splat(6)) * (1.0f / 6.0f))
LANES(u_swish, x / (1.0f + v_exp(-x)))
LANES(u_gelu, 0.5f * x * (1.0f + v_erf(x * 0.70710678f)))
/* (1 + tanh u) / 2 is the sigmoid of 2 u, which is exactly 0 far out */
LANES(u_gelu_tanh, x / (1.0f + v_exp(-1.59576912f * fma(x * x, 0.044715f * x, x))))
static vf mish(vf x) {
  vf e = v_exp(at_most(x, splat(20))), n = e * (e + 2.0f);
  return x * (n / (n + 2.0f));
}
LANES(u_mish, mish(x))
LANES(u_step, choose(x > ZERO, ONE, choose(x == x, splat(alpha), x)))

LANES2(f_add, x + y)
LANES2(f_sub, x - y)
LANES2(f_mul, x *y)
LANES2(f_div, x / y)
LANES2(f_floor_div, __builtin_elementwise_floor(x / y))
static vf modulo(vf x, vf y) {
  vd b = widen(y), r = d_remainder(widen(x), b);
  return narrow(d_choose((r != 0.0) & ((r < 0.0) != (b < 0.0)), r + b, r));
}
LANES2(f_mod, modulo(x, y))
LANES2(f_trunc_mod, narrow(d_remainder(widen(x), widen(y))))
LANES2(f_max, choose((x > y) | (x != x), x, y))
LANES2(f_min, choose((x < y) | (x != x), x, y))
LANES2(f_pow, v_pow(x, y))
LANES2(f_atan2, v_atan2(x, y))
LANES2(f_squared_difference, (x - y) * (x - y))
LANES2(f_div_no_nan, choose(y == ZERO, ZERO, x / y))
LANES2(f_prelu, choose(x > ZERO, x, x *y))
#define COMPARES(prefix, MACRO, CAST)                   \
  MACRO(prefix##_eq, CAST(TRUE_MASK(x == y)))           \
  MACRO(prefix##_ne, CAST(TRUE_MASK(x != y)))           \
  MACRO(prefix##_lt, CAST(TRUE_MASK(x < y)))            \
  MACRO(prefix##_le, CAST(TRUE_MASK(x <= y)))           \
  MACRO(prefix##_gt, CAST(TRUE_MASK(x > y)))            \
  MACRO(prefix##_ge, CAST(TRUE_MASK(x >= y)))
COMPARES(f, LANES2, as_float)
COMPARES(i, INTS2, )
LANES(f_is_nan, as_float(TRUE_MASK(x != x)))
LANES(f_is_inf, as_float(TRUE_MASK(absolute(x) == splat(INF))))
LANES(f_is_finite, as_float(TRUE_MASK(absolute(x) <= FINITE_MAX)))

typedef uint32_t vu __attribute__((ext_vector_type(VW)));
#define WRAP(x) ((vu)(x))
INTS2(i_add, (vi)(WRAP(x) + WRAP(y)))
INTS2(i_sub, (vi)(WRAP(x) - WRAP(y)))
INTS2(i_mul, (vi)(WRAP(x) * WRAP(y)))
INTS2(i_max, x > y ? x : y)
INTS2(i_min, x < y ? x : y)
INTS2(i_squared_difference, (vi)((WRAP(x) - WRAP(y)) * (WRAP(x) - WRAP(y))))
INTS2(i_and, x &y)
INTS2(i_or, x | y)
INTS2(i_xor, x ^ y)
INTS2(i_shl, (vi)(WRAP(x) << (WRAP(y) & 31)))
INTS2(i_shr, x >> (y & 31))
INTS(i_neg, (vi)(0 - WRAP(x)))
INTS(i_abs, x < 0 ? (vi)(0 - WRAP(x)) : x)
INTS(i_sign, (x >> 31) | TRUE_MASK(x > 0))
INTS(i_square, (vi)(WRAP(x) * WRAP(x)))
INTS(i_not, 1 - x)
static int32_t quotient(int32_t x, int32_t y) { return y == 0 ? 0 : y == -1 ? (int32_t)(0u - (uint32_t)x) : x / y; }
static int32_t remainder_of(int32_t x, int32_t y) { return y == 0 || y == -1 ? 0 : x % y; }
static int32_t floor_modulo(int32_t x, int32_t y) {
  int32_t r = remainder_of(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static int32_t floor_quotient(int32_t x, int32_t y) {
  int32_t q = quotient(x, y), r = remainder_of(x, y);
  return r != 0 && (r < 0) != (y < 0) ? q - 1 : q;
}
static int32_t power(int32_t x, int32_t y) {
  if (y < 0) return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
  uint32_t result = 1, base = (uint32_t)x;
  for (; y; y >>= 1, base *= base)
    if (y & 1) result *= base;
  return (int32_t)result;
}
EACH2(i_trunc_div, quotient(x, y))
EACH2(i_floor_div, floor_quotient(x, y))
EACH2(i_mod, floor_modulo(x, y))
EACH2(i_trunc_mod, remainder_of(x, y))
EACH2(i_pow, power(x, y))

static void select_lanes(float *d, const float *a, const float *b, const float *c, int n, float alpha) {
  for (int i = 0; i < n; i += VW) store(d + i, choose(load_int(c + i) != 0, load(a + i), load(b + i)));
}
static vi to_int(vf x) {
  vf safe = choose(x == x, x, ZERO), high = splat(2147483648.0f);
  vf bounded = choose(safe >= high, ZERO, at_least(safe, -high));
  return safe >= high ? (vi)INT32_MAX : __builtin_convertvector(bounded, vi);
}
INTS(f_to_i, to_int(as_float(x)))
INTS(i_to_f, as_int(__builtin_convertvector(x, vf)))
LANES(f_to_b, as_float(TRUE_MASK(x != ZERO)))
INTS(i_to_b, TRUE_MASK(x != 0))

const pe_lane_fn pe_lane[PE_OPCODES] = {
  u_copy, u_neg, u_abs, u_sign, u_floor, u_ceil, u_round, u_sqrt, u_rsqrt, u_reciprocal, u_square, u_exp, u_expm1, u_log,
  u_log1p, u_sin, u_cos, u_tan, u_asin, u_acos, u_atan, u_sinh, u_cosh, u_tanh, u_asinh, u_acosh, u_atanh, u_erf, u_sigmoid,
  u_softplus, u_softsign, u_relu, u_relu6, u_elu, u_selu, u_leaky_relu, u_hard_sigmoid, u_hard_swish, u_swish, u_gelu,
  u_gelu_tanh, u_mish, u_step,
  [PE_F_ADD] = f_add, f_sub, f_mul, f_div, f_floor_div, f_mod, f_trunc_mod, f_max, f_min, f_pow, f_atan2,
  f_squared_difference, f_div_no_nan, f_prelu, f_eq, f_ne, f_lt, f_le, f_gt, f_ge, f_is_nan, f_is_inf, f_is_finite,
  [PE_I_ADD] = i_add, i_sub, i_mul, i_trunc_div, i_floor_div, i_mod, i_trunc_mod, i_max, i_min, i_pow, i_squared_difference,
  i_and, i_or, i_xor, i_shl, i_shr, i_neg, i_abs, i_sign, i_square, i_eq, i_ne, i_lt, i_le, i_gt, i_ge, i_not,
  [PE_SELECT] = select_lanes, [PE_F2I] = f_to_i, i_to_f, f_to_b, i_to_b,
};

void pe_apply(int op, float alpha, float *y, int n) {
  int whole = n / VW * VW;
  pe_lane[op](y, y, y, y, whole, alpha);
  if (whole == n) return;
  float tail[VW] = {0};
  for (int i = whole; i < n; i++) tail[i - whole] = y[i];
  pe_lane[op](tail, tail, tail, tail, VW, alpha);
  for (int i = whole; i < n; i++) y[i] = tail[i - whole];
}
