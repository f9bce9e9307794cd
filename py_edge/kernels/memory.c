/* The functions that a compiler may call by itself, for WebAssembly without a libc. */
#if defined(__wasm__)
#include <stddef.h>

__attribute__((no_builtin)) void *memcpy(void *restrict dst, const void *restrict src, size_t n) {
  for (size_t i = 0; i < n; i++) ((volatile char *)dst)[i] = ((const char *)src)[i];
  return dst;
}

__attribute__((no_builtin)) void *memset(void *dst, int value, size_t n) {
  for (size_t i = 0; i < n; i++) ((volatile char *)dst)[i] = (char)value;
  return dst;
}
#endif
typedef int pe_memory_not_empty;
