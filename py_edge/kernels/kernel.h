/* What the kernels share: how a param becomes a pointer, statuses, and the list of kernels. Not part of the ABI. */
#ifndef PE_KERNEL_H
#define PE_KERNEL_H
#include "lanes.h"
#include "pe.h"

#define PE_NONE (-1)
#define PE_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* The three spaces and the code, for one pe_run. */
typedef struct {
  uint8_t *space[4];
  const int32_t *code;
  int32_t depth;
} pe_memory;

/* params: the words after [kernel, words]; words: how many there are. */
typedef int (*pe_kernel_fn)(const pe_memory *m, const int32_t *params, int32_t words);

INLINE void *at(const pe_memory *m, int32_t operand) {
  return operand == PE_NONE ? 0 : m->space[operand & 3] + (operand & ~15);
}

INLINE float bits_to_float(int32_t bits) { return __builtin_bit_cast(float, bits); }

/* True when all n sizes are at least `least` and their product times 8 bytes can be addressed. */
INLINE int sizes_ok(const int32_t *sizes, int n, int32_t least) {
  int64_t product = 1;
  for (int i = 0; i < n; i++) {
    if (sizes[i] < least) return 0;
    product *= sizes[i];
    if (product > (INT32_MAX >> 1)) return 0;
  }
  return 1;
}
#define SIZES_OK(least, ...) sizes_ok((const int32_t[]){__VA_ARGS__}, PE_COUNT(((const int32_t[]){__VA_ARGS__})), least)

/* Taps first..end - 1 of a window that starts at `origin` and has `taps` taps `dilation` apart lie within 0..size - 1. */
typedef struct { int origin, first, end; } pe_span;
INLINE pe_span pe_span_of(int out, int stride, int pad, int taps, int dilation, int size) {
  pe_span s = {out * stride - pad, 0, taps};
  if (s.origin < 0) s.first = (int)(((int64_t)dilation - 1 - s.origin) / dilation);
  int64_t end = size > s.origin ? ((int64_t)size - s.origin + dilation - 1) / dilation : 0;
  if (end < s.end) s.end = (int)end;
  if (s.first > s.end) s.first = s.end;
  return s;
}

/* d[0..n) = f(a, b, c): n is a multiple of VW; d may be a, b or c. See functions.c. */
typedef void (*pe_lane_fn)(float *d, const float *a, const float *b, const float *c, int n, float alpha);
enum { PE_OPCODES = 144 };
__attribute__((visibility("hidden"))) extern const pe_lane_fn pe_lane[PE_OPCODES];
/* y = f(y) for a unary opcode and any n. */
void pe_apply(int op, float alpha, float *y, int n);

/* Whether a whole step of a known kernel stands at pc; and the kernel on these params, which may be a copy. */
int pe_step_ok(const int32_t *code, int32_t pc, int32_t end);
int pe_run_step(const pe_memory *m, int32_t kernel, const int32_t *params, int32_t words);
int pe_run_range(const pe_memory *m, int32_t begin, int32_t end, int32_t *step);

#define PE_KERNEL(name) int name(const pe_memory *m, const int32_t *params, int32_t words)
PE_KERNEL(pe_do_copy);
PE_KERNEL(pe_do_fill);
PE_KERNEL(pe_do_elementwise);
PE_KERNEL(pe_do_pack_b);
PE_KERNEL(pe_do_matmul);
PE_KERNEL(pe_do_pack_winograd);
PE_KERNEL(pe_do_conv2d);
PE_KERNEL(pe_do_conv2d_winograd);
PE_KERNEL(pe_do_depthwise_conv2d);
PE_KERNEL(pe_do_pool2d);
PE_KERNEL(pe_do_pool2d_grad);
PE_KERNEL(pe_do_conv2d_input_grad);
PE_KERNEL(pe_do_conv2d_filter_grad);
PE_KERNEL(pe_do_depthwise_input_grad);
PE_KERNEL(pe_do_depthwise_filter_grad);
PE_KERNEL(pe_do_reduce);
PE_KERNEL(pe_do_cumulate);
PE_KERNEL(pe_do_softmax);
PE_KERNEL(pe_do_normalize);
PE_KERNEL(pe_do_top_k);
PE_KERNEL(pe_do_gather);
PE_KERNEL(pe_do_scatter_add);
PE_KERNEL(pe_do_resize);
PE_KERNEL(pe_do_resize_grad);
PE_KERNEL(pe_do_random);
PE_KERNEL(pe_do_scan);
PE_KERNEL(pe_do_cond);
PE_KERNEL(pe_do_while);
PE_KERNEL(pe_do_adam);

#endif
