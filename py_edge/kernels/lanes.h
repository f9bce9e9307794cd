/* Vectors of VW floats, one source for every instruction set: WebAssembly SIMD, SSE4, AVX2, AVX-512, NEON.
 * Loads and stores need no alignment. A comparison gives all ones or zeros per lane. */
#ifndef PE_LANES_H
#define PE_LANES_H
#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VW 16
#elif defined(__AVX2__)
#define VW 8
#else
#define VW 4
#endif
/* Columns of a packed panel and rows of a register tile: accumulators, two vectors of B and one of A fill the registers
 * (V8 gives 15 of 128 bit, AVX2 has 16, AVX-512 and NEON 32). */
#define NR (2 * VW)
#if defined(__AVX512F__) || defined(__aarch64__)
#define MR 12
#else
#define MR 6
#endif

typedef float vf __attribute__((ext_vector_type(VW)));
typedef int32_t vi __attribute__((ext_vector_type(VW)));
typedef double vd __attribute__((ext_vector_type(VW)));
typedef __typeof__((vd)0.0 == (vd)0.0) vl; /* int64_t, whatever this system calls it */
typedef float vf_any __attribute__((ext_vector_type(VW), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((ext_vector_type(VW), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vf load(const float *p) { return *(const vf_any *)p; }
INLINE void store(float *p, vf v) { *(vf_any *)p = v; }
INLINE vi load_int(const void *p) { return *(const vi_any *)p; }
INLINE void store_int(void *p, vi v) { *(vi_any *)p = v; }
INLINE vf splat(float x) { return (vf)x; }
INLINE vf as_float(vi v) { return __builtin_bit_cast(vf, v); }
INLINE vi as_int(vf v) { return __builtin_bit_cast(vi, v); }
INLINE vf choose(vi mask, vf a, vf b) { return mask ? a : b; }

/* The bound when v passes it; NaN stays. Named instructions in WebAssembly, because clang turns such a choice into
 * relaxed_min and relaxed_max, which lose NaN. */
#if defined(__wasm__)
typedef float f32x4 __attribute__((vector_size(16)));
INLINE vf at_least(vf v, vf low) {
  return __builtin_bit_cast(vf, __builtin_wasm_pmax_f32x4(__builtin_bit_cast(f32x4, v), __builtin_bit_cast(f32x4, low)));
}
INLINE vf at_most(vf v, vf high) {
  return __builtin_bit_cast(vf, __builtin_wasm_pmin_f32x4(__builtin_bit_cast(f32x4, v), __builtin_bit_cast(f32x4, high)));
}
#else
INLINE vf at_least(vf v, vf low) { return v < low ? low : v; }
INLINE vf at_most(vf v, vf high) { return v > high ? high : v; }
#endif
/* a b + c, fused where the machine can. */
INLINE vf fma(vf a, vf b, vf c) {
#if defined(__wasm_relaxed_simd__)
  return __builtin_bit_cast(vf, __builtin_wasm_relaxed_madd_f32x4(__builtin_bit_cast(f32x4, a), __builtin_bit_cast(f32x4, b),
                                                                  __builtin_bit_cast(f32x4, c)));
#elif defined(__FMA__) || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

INLINE vf absolute(vf v) { return __builtin_elementwise_abs(v); }

#define UNROLL _Pragma("clang loop unroll(full)")
/* Clang moves the loads of A ahead of the products and runs out of registers; this keeps the order of the source. */
#if defined(__wasm__)
#define IN_ORDER(v) __asm__ volatile("" : "+r"(v) : : "memory")
#elif defined(__x86_64__)
#define IN_ORDER(v) __asm__ volatile("" : "+v"(v) : : "memory")
#elif defined(__aarch64__)
#define IN_ORDER(v) __asm__ volatile("" : "+w"(v) : : "memory")
#else
#define IN_ORDER(v) (void)0
#endif

INLINE float sum_lanes(vf v) {
#if VW == 4
  return (v[0] + v[2]) + (v[1] + v[3]);
#elif VW == 8
  typedef float half __attribute__((ext_vector_type(4)));
  half h = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
  return (h[0] + h[2]) + (h[1] + h[3]);
#else
  typedef float half __attribute__((ext_vector_type(8)));
  typedef float quarter __attribute__((ext_vector_type(4)));
  half h = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  quarter q = __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
  return (q[0] + q[2]) + (q[1] + q[3]);
#endif
}

/* The first n floats, 0 <= n; nothing behind them is touched, and the other lanes are 0. */
#if defined(__AVX512F__)
INLINE __mmask16 first_lanes(int n) { return n >= VW ? 0xFFFF : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }
INLINE vf load_first(const float *p, int n) { return (vf)_mm512_maskz_loadu_ps(first_lanes(n), p); }
INLINE void store_first(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v); }
#elif defined(__AVX2__)
INLINE __m256i first_lanes(int n) { return (__m256i)((vi)n > (vi){0, 1, 2, 3, 4, 5, 6, 7}); }
INLINE vf load_first(const float *p, int n) { return (vf)_mm256_maskload_ps(p, first_lanes(n)); }
INLINE void store_first(float *p, vf v, int n) { _mm256_maskstore_ps(p, first_lanes(n), (__m256)v); }
#else
INLINE vf load_first(const float *p, int n) {
  if (n >= VW) return load(p);
  vf v = splat(0);
  if (n > 0) v[0] = p[0];
  if (n > 1) v[1] = p[1];
  if (n > 2) v[2] = p[2];
  return v;
}
INLINE void store_first(float *p, vf v, int n) {
  if (n >= VW) {
    store(p, v);
    return;
  }
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
}
#endif

INLINE void copy_floats(float *dst, const float *src, int n) {
  int i = 0;
  for (; i + VW <= n; i += VW) store(dst + i, load(src + i));
  for (; i < n; i++) dst[i] = src[i];
}

/* The same for bytes, which may lie anywhere. */
typedef uint8_t vb_any __attribute__((ext_vector_type(4 * VW), aligned(1), may_alias));
INLINE void copy_bytes(uint8_t *dst, const uint8_t *src, int64_t n) {
  int64_t i = 0;
  for (; i + 4 * VW <= n; i += 4 * VW) *(vb_any *)(dst + i) = *(const vb_any *)(src + i);
  for (; i < n; i++) dst[i] = src[i];
}

INLINE void zero_floats(float *dst, int n) {
  int i = 0;
  for (; i + VW <= n; i += VW) store(dst + i, splat(0));
  for (; i < n; i++) dst[i] = 0;
}

#endif
