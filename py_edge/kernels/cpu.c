/* Which native build this processor can run: 0 base, 1 AVX2 and FMA, 2 AVX-512. Only the base build is asked. */
#include <stdint.h>

__attribute__((visibility("default"))) int32_t pe_cpu_level(void);

#if defined(__x86_64__)
typedef struct { uint32_t a, b, c, d; } words;

static words cpuid(uint32_t leaf) {
  words w;
  __asm__ volatile("cpuid" : "=a"(w.a), "=b"(w.b), "=c"(w.c), "=d"(w.d) : "a"(leaf), "c"(0));
  return w;
}

int32_t pe_cpu_level(void) {
  enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX2 = 1 << 5, BMI2 = 1 << 8, AVX512 = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 };
  const uint32_t vector_length = 1u << 31;
  if (cpuid(0).a < 7) return 0;
  words one = cpuid(1), seven = cpuid(7);
  if (!(one.c & FMA) || !(one.c & OSXSAVE) || !(seven.b & AVX2) || !(seven.b & BMI2)) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 6) != 6) return 0;
  int wide = (seven.b & AVX512) == AVX512 && (seven.b & vector_length) && (low & 0xE0) == 0xE0;
  return wide ? 2 : 1;
}
#else
int32_t pe_cpu_level(void) { return 0; }
#endif
