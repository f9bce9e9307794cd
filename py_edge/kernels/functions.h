/* The transcendental functions on vectors: polynomials, no libm, no branches.
 *
 * float32 where models spend their time (exp, tanh, erf, sigmoid, log: about 4e-7 relative). The rare ones are computed in
 * double and rounded once. Rounding to an integer k and making 2^k both come from adding 1.5 * 2^23 (2^52): the sum's low
 * bits are k. exp: minimax of degree 6; tanh and erf: rational functions as in Eigen (odd degree 13 over even 6 and 8).
 */
#ifndef PE_FUNCTIONS_H
#define PE_FUNCTIONS_H
#include "lanes.h"

#define INF __builtin_inff()
#define ROUNDER 12582912.0f

INLINE vf v_exp(vf x) {
  x = at_most(at_least(x, splat(-104.0f)), splat(88.8f));
  vf shifted = fma(x, splat(1.44269504f), splat(ROUNDER)), k = shifted - ROUNDER;
  vf r = fma(k, splat(-0.693359375f), x);
  r = fma(k, splat(2.12194440e-4f), r);
  /* twice the polynomial times 2^(k - 1): k = 128 still has a finite factor */
  vf p = splat(2 * 0.0013836741638635825f);
  p = fma(p, r, splat(2 * 0.008374898360984942f));
  p = fma(p, r, splat(2 * 0.04166823180833651f));
  p = fma(p, r, splat(2 * 0.1666641919037609f));
  p = fma(p, r, splat(2 * 0.49999992032288765f));
  p = fma(p, r, splat(2.0f));
  p = fma(p, r, splat(2.0f));
  vi scale = (as_int(shifted) + (126 - 0x4B400000)) << 23;
  return p * choose(x < splat(-87.0f), splat(0), as_float(scale));
}

INLINE vf v_log(vf x) {
  vi tiny = x < splat(1.17549435e-38f);
  vf scaled = choose(tiny, x * 8388608.0f, x);
  vi bits = as_int(scaled) - 0x3F3504F3;
  vf e = __builtin_convertvector(bits >> 23, vf) - choose(tiny, splat(23), splat(0));
  vf f = as_float((bits & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
  vf s = f / (f + 2.0f), z = s * s;
  vf p = fma(fma(fma(splat(0.18183572f), z, splat(0.22222199f)), z, splat(0.28571430f)), z, splat(0.4f));
  p = fma(p, z, splat(0.66666669f)) * z;
  /* log(1 + f) = f - s (f - p'), as 2 s + s p = f - s (f - p) */
  vf y = fma(e, splat(-2.12194440e-4f), fma(-s, f - p, f));
  y = fma(e, splat(0.693359375f), y);
  y = choose(x == splat(INF), x, y);
  return choose(x > splat(0), y, choose(x == splat(0), splat(-INF), splat(__builtin_nanf(""))));
}

/* log(1 + x) for x >= 0, exact to float for small x too. */
INLINE vf v_log1p_positive(vf x) {
  vf u = x + 1.0f, lost = x - (u - 1.0f);
  return choose(u == splat(INF), u, v_log(u) + lost / u);
}

INLINE vf v_sigmoid(vf x) { return 1.0f / (1.0f + v_exp(-x)); }
INLINE vf v_softplus(vf x) { return at_least(x, splat(0)) + v_log1p_positive(v_exp(-absolute(x))); }

INLINE vf v_tanh(vf x) {
  x = at_most(at_least(x, splat(-7.90531110763549805f)), splat(7.90531110763549805f));
  vf z = x * x;
  vf p = fma(splat(-2.76076847742355e-16f), z, splat(2.00018790482477e-13f));
  p = fma(p, z, splat(-8.60467152213735e-11f));
  p = fma(p, z, splat(5.12229709037114e-08f));
  p = fma(p, z, splat(1.48572235717979e-05f));
  p = fma(p, z, splat(6.37261928875436e-04f));
  p = fma(p, z, splat(4.89352455891786e-03f));
  vf q = fma(splat(1.19825839466702e-06f), z, splat(1.18534705686654e-04f));
  q = fma(q, z, splat(2.26843463243900e-03f));
  q = fma(q, z, splat(4.89352518554385e-03f));
  return at_most(at_least(x * p / q, splat(-1)), splat(1));
}

INLINE vf v_erf(vf x) {
  x = at_most(at_least(x, splat(-4)), splat(4));
  vf z = x * x;
  vf p = fma(splat(-2.72614225801306e-10f), z, splat(2.77068142495902e-08f));
  p = fma(p, z, splat(-2.10102402082508e-06f));
  p = fma(p, z, splat(-5.69250639462346e-05f));
  p = fma(p, z, splat(-7.34990630326855e-04f));
  p = fma(p, z, splat(-2.95459980854025e-03f));
  p = fma(p, z, splat(-1.60960333262415e-02f));
  vf q = fma(splat(-1.45660718464996e-05f), z, splat(-2.13374055278905e-04f));
  q = fma(q, z, splat(-1.68282697438203e-03f));
  q = fma(q, z, splat(-7.37332916720468e-03f));
  q = fma(q, z, splat(-1.42647390514189e-02f));
  return at_most(at_least(x * p / q, splat(-1)), splat(1));
}

/* The double ones. */
INLINE vd widen(vf x) { return __builtin_convertvector(x, vd); }
INLINE vf narrow(vd x) { return __builtin_convertvector(x, vf); }
INLINE vl as_long(vd x) { return __builtin_bit_cast(vl, x); }
INLINE vd as_double(vl x) { return __builtin_bit_cast(vd, x); }
/* x within [-bound, bound]; NaN stays (see lanes.h on choices in WebAssembly). */
INLINE vd d_within(vd x, double bound) {
#if defined(__wasm__)
  typedef double f64x2 __attribute__((vector_size(16)));
  f64x2 high = {bound, bound}, low = -high, part[2];
  __builtin_memcpy(part, &x, sizeof(x));
  for (int i = 0; i < 2; i++) part[i] = __builtin_wasm_pmax_f64x2(__builtin_wasm_pmin_f64x2(part[i], high), low);
  __builtin_memcpy(&x, part, sizeof(x));
  return x;
#else
  x = x > bound ? (vd)bound : x;
  return x < -bound ? (vd)-bound : x;
#endif
}
INLINE vd d_choose(vl mask, vd a, vd b) { return mask ? a : b; }
INLINE vd d_sqrt(vd x) { return __builtin_elementwise_sqrt(x); }
INLINE vd d_abs(vd x) { return __builtin_elementwise_abs(x); }
#define DROUNDER 6755399441055744.0

INLINE vd d_poly(vd x, const double *coefficients, int n) {
  vd p = (vd)coefficients[0];
#pragma clang loop unroll(full)
  for (int i = 1; i < n; i++) p = p * x + coefficients[i];
  return p;
}
#define D_POLY(x, ...) d_poly(x, (const double[]){__VA_ARGS__}, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))

/* exp(x) for |x| <= 700, clamped beyond. */
INLINE vd d_exp(vd x) {
  x = d_within(x, 700.0);
  vd shifted = x * 1.4426950408889634 + DROUNDER, k = shifted - DROUNDER;
  vd r = x - k * 6.93147180369123816490e-01 - k * 1.90821492927058770002e-10;
  vd p = D_POLY(r, 1 / 3628800.0, 1 / 362880.0, 1 / 40320.0, 1 / 5040.0, 1 / 720.0, 1 / 120.0, 1 / 24.0, 1 / 6.0, 0.5, 1.0, 1.0);
  return p * as_double((as_long(shifted) + 1023) << 52);
}
INLINE vd d_expm1(vd x) {
  vd small = x * D_POLY(x, 1 / 40320.0, 1 / 5040.0, 1 / 720.0, 1 / 120.0, 1 / 24.0, 1 / 6.0, 0.5, 1.0);
  return d_choose(d_abs(x) < 0.05, small, d_exp(x) - 1.0);
}

/* log(x) for finite x > 0 in double's normal range; -inf at 0, NaN below. */
INLINE vd d_log(vd x) {
  vl bits = as_long(x) - 0x3FE6A09E667F3BCD;
  vd e = __builtin_convertvector(bits >> 52, vd);
  vd m = as_double((bits & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD);
  vd s = (m - 1.0) / (m + 1.0), z = s * s;
  vd p = D_POLY(z, 2 / 17.0, 2 / 15.0, 2 / 13.0, 2 / 11.0, 2 / 9.0, 2 / 7.0, 2 / 5.0, 2 / 3.0, 2.0);
  vd y = s * p + e * 0.69314718055994530942;
  y = d_choose(x == __builtin_inf(), x, y);
  return d_choose(x > 0.0, y, d_choose(x == 0.0, (vd)-__builtin_inf(), (vd)__builtin_nan("")));
}
INLINE vd d_log1p(vd x) {
  vd u = x + 1.0, corrected = d_log(u) + (x - (u - 1.0)) / u;
  return d_choose((u == __builtin_inf()) | (u == 0.0), d_log(u), corrected);
}

/* sin and cos: quadrant and remainder by pi / 2 in two parts; good while |x| < 1e9, within [-1, 1] always. */
typedef struct { vd sine, cosine; } vd_pair;
INLINE vd_pair d_sin_cos(vd x) {
  vd shifted = x * 0.63661977236758134308 + DROUNDER, k = shifted - DROUNDER;
  vd r = x - k * 1.57079632673412561417e+00 - k * 6.07710050650619224932e-11;
  r = d_within(r, 0.79);
  vd z = r * r;
  vd s = r * D_POLY(z, -1 / 39916800.0, 1 / 362880.0, -1 / 5040.0, 1 / 120.0, -1 / 6.0, 1.0);
  vd c = D_POLY(z, 1 / 479001600.0, -1 / 3628800.0, 1 / 40320.0, -1 / 720.0, 1 / 24.0, -0.5, 1.0);
  vl quadrant = as_long(shifted), odd = (quadrant & 1) != 0;
  vl sine_sign = (quadrant & 2) << 62, cosine_sign = ((quadrant + 1) & 2) << 62;
  vd_pair pair = {as_double(as_long(d_choose(odd, c, s)) ^ sine_sign), as_double(as_long(d_choose(odd, s, c)) ^ cosine_sign)};
  return pair;
}

INLINE vd d_atan(vd x) {
  vd t = d_abs(x);
  vl large = t > 1.0;
  t = d_choose(large, 1.0 / t, t);
  vl middle = t > 0.41421356237309503;
  vd u = d_choose(middle, (t - 1.0) / (t + 1.0), t), z = u * u;
  vd p = D_POLY(z, 1 / 25.0, -1 / 23.0, 1 / 21.0, -1 / 19.0, 1 / 17.0, -1 / 15.0, 1 / 13.0, -1 / 11.0, 1 / 9.0, -1 / 7.0, 1 / 5.0,
                -1 / 3.0, 1.0);
  vd y = u * p + d_choose(middle, (vd)0.78539816339744830962, (vd)0.0);
  y = d_choose(large, 1.57079632679489661923 - y, y);
  return as_double(as_long(y) | (as_long(x) & INT64_MIN));
}
INLINE vd d_asin(vd x) { return d_atan(x / d_sqrt((1.0 - x) * (1.0 + x))); }

INLINE vf v_atan2(vf fy, vf fx) {
  vd y = widen(fy), x = widen(fx), ay = d_abs(y), ax = d_abs(x);
  vd ratio = d_choose(ay == ax, (vd)1.0, ay / ax);
  ratio = d_choose(ay == 0.0, d_choose(ax == ax, (vd)0.0, ax), ratio);
  vd angle = d_atan(ratio);
  angle = d_choose(as_long(x) < 0, 3.14159265358979323846 - angle, angle);
  angle = d_choose((x == x) & (y == y), angle, x + y);
  return narrow(as_double(as_long(angle) | (as_long(y) & INT64_MIN)));
}

INLINE vf v_pow(vf fa, vf fb) {
  vd a = widen(fa), b = widen(fb), size = d_abs(a);
  vd y = d_exp(b * d_log(size));
  vd whole = __builtin_elementwise_trunc(b), half = b * 0.5;
  vl integer = whole == b, odd = integer & (__builtin_elementwise_trunc(half) != half);
  y = d_choose((as_long(a) < 0) & odd, -y, y);
  y = d_choose((a < 0.0) & ~integer & (size != __builtin_inf()), (vd)__builtin_nan(""), y);
  y = d_choose((size == 1.0) & (d_abs(b) == __builtin_inf()), (vd)1.0, y);
  return narrow(d_choose((b == 0.0) | (a == 1.0), (vd)1.0, y));
}

/* Remainder with the sign of a; exact while the quotient is below 2^29. */
INLINE vd d_remainder(vd a, vd b) {
  vd size = d_abs(b), q = __builtin_elementwise_trunc(d_abs(a) / size);
  vd r = d_abs(a) - q * size;
  r = d_choose(r < 0.0, r + size, d_choose(r >= size, r - size, r));
  r = d_choose((size == __builtin_inf()) & (d_abs(a) < __builtin_inf()), d_abs(a), r);
  return as_double(as_long(r) | (as_long(a) & INT64_MIN));
}

#endif
