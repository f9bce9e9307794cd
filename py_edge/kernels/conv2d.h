/* What the convolution and its gradients share: copying windows into rows. */
#ifndef PE_CONV2D_H
#define PE_CONV2D_H
#include "gemm.h"

typedef struct {
  int N, H, W, C, OH, OW, KH, KW, SH, SW, DH, DW, PT, PL, groups;
} pe_window;

/* Rows dst (count, KH KW C / groups): the windows of `group` at output pixels first.. in (N, OH, OW) order; outside is 0. */
void pe_window_rows(float *dst, const float *x, const pe_window *w, int group, int first, int count);
/* The transpose: add rows back onto x. */
void pe_window_rows_add(float *x, const float *rows, intptr_t row_stride, const pe_window *w, int group, int first, int count);
int pe_window_ok(const pe_window *w, int O);

#endif
