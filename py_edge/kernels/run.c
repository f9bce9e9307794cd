/* The executor: step after step through a table of kernels. */
#include "kernel.h"

typedef struct {
  pe_kernel_fn run;
  int32_t words;
} entry;

#define ROW(fn, type) {fn, sizeof(type) / 4}
static const entry table[PE_KERNEL_COUNT] = {
  [PE_COPY] = ROW(pe_do_copy, pe_copy),
  [PE_FILL] = ROW(pe_do_fill, pe_fill),
  [PE_ELEMENTWISE] = ROW(pe_do_elementwise, pe_elementwise),
  [PE_PACK_B] = ROW(pe_do_pack_b, pe_pack_b),
  [PE_MATMUL] = ROW(pe_do_matmul, pe_matmul),
  [PE_CONV2D] = ROW(pe_do_conv2d, pe_conv2d),
  [PE_DEPTHWISE_CONV2D] = ROW(pe_do_depthwise_conv2d, pe_depthwise_conv2d),
  [PE_POOL2D] = ROW(pe_do_pool2d, pe_pool2d),
  [PE_POOL2D_GRAD] = ROW(pe_do_pool2d_grad, pe_pool2d_grad),
  [PE_CONV2D_INPUT_GRAD] = ROW(pe_do_conv2d_input_grad, pe_conv2d_grad),
  [PE_CONV2D_FILTER_GRAD] = ROW(pe_do_conv2d_filter_grad, pe_conv2d_grad),
  [PE_DEPTHWISE_INPUT_GRAD] = ROW(pe_do_depthwise_input_grad, pe_depthwise_grad),
  [PE_DEPTHWISE_FILTER_GRAD] = ROW(pe_do_depthwise_filter_grad, pe_depthwise_grad),
  [PE_REDUCE] = ROW(pe_do_reduce, pe_reduce),
  [PE_CUMULATE] = ROW(pe_do_cumulate, pe_cumulate),
  [PE_SOFTMAX] = ROW(pe_do_softmax, pe_softmax),
  [PE_TOP_K] = ROW(pe_do_top_k, pe_top_k),
  [PE_GATHER] = ROW(pe_do_gather, pe_gather),
  [PE_SCATTER_ADD] = ROW(pe_do_scatter_add, pe_scatter_add),
  [PE_RESIZE] = ROW(pe_do_resize, pe_resize),
  [PE_RESIZE_GRAD] = ROW(pe_do_resize_grad, pe_resize),
  [PE_RANDOM] = ROW(pe_do_random, pe_random),
  [PE_SCAN] = ROW(pe_do_scan, pe_scan),
  [PE_COND] = ROW(pe_do_cond, pe_cond),
  [PE_WHILE] = ROW(pe_do_while, pe_while),
  [PE_NORMALIZE] = ROW(pe_do_normalize, pe_normalize),
  [PE_PACK_WINOGRAD] = ROW(pe_do_pack_winograd, pe_pack_b),
  [PE_CONV2D_WINOGRAD] = ROW(pe_do_conv2d_winograd, pe_conv2d),
  [PE_ADAM] = ROW(pe_do_adam, pe_adam),
};

int pe_step_ok(const int32_t *code, int32_t pc, int32_t end) {
  if (end - pc < 2) return 0;
  int32_t kernel = code[pc], words = code[pc + 1];
  return kernel > 0 && kernel < PE_KERNEL_COUNT && words >= table[kernel].words && words <= end - pc - 2;
}

int pe_run_step(const pe_memory *m, int32_t kernel, const int32_t *params, int32_t words) {
  return table[kernel].run(m, params, words);
}

/* *step: index of the step that failed. */
int pe_run_range(const pe_memory *m, int32_t begin, int32_t end, int32_t *step) {
  const int32_t *code = m->code;
  *step = 0;
  for (int32_t pc = begin; pc < end; ++*step) {
    if (!pe_step_ok(code, pc, end)) return PE_BAD_CODE;
    int status = pe_run_step(m, code[pc], code + pc + 2, code[pc + 1]);
    if (status != PE_OK) return status;
    pc += 2 + code[pc + 1];
  }
  return PE_OK;
}

#define EXPORT __attribute__((visibility("default")))

EXPORT int32_t pe_abi_version(void) { return PE_ABI_VERSION; }

EXPORT int32_t pe_panel(void) { return NR; }

EXPORT int32_t pe_run(const int32_t *code, int32_t begin, int32_t end, uint8_t *arena, uint8_t *weights, const uint8_t *blob) {
  pe_memory m = {{arena, weights, (uint8_t *)(uintptr_t)blob, 0}, code, 0};
  int32_t step = 0;
  if (!code || begin < 0 || end < begin) return -(PE_BAD_CODE * 65536);
  int status = pe_run_range(&m, begin, end, &step);
  return status == PE_OK ? PE_OK : -(status * 65536 + (step > 65535 ? 65535 : step));
}
