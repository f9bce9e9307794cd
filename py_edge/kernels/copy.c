/* Moving data without arithmetic: strided copies (transpose, slice, concat, pad, tile, broadcast) and fills. */
#include "kernel.h"

/* Merged dimensions of one copy, innermost last. */
typedef struct {
  int rank;
  int32_t shape[PE_MAX_RANK];
  intptr_t dst[PE_MAX_RANK], src[PE_MAX_RANK];
} walk;

static void plan_walk(walk *w, const pe_copy *c) {
  w->rank = 0;
  for (int i = 0; i < c->rank; i++) {
    if (c->shape[i] == 1) continue;
    int last = w->rank - 1;
    intptr_t d = c->dst_stride[i], s = c->src_stride[i];
    if (last >= 0 && w->dst[last] == d * c->shape[i] && w->src[last] == s * c->shape[i]) {
      w->shape[last] *= c->shape[i];
    } else {
      last = w->rank++;
      w->shape[last] = c->shape[i];
    }
    w->dst[last] = d;
    w->src[last] = s;
  }
}

#define COPY_PLANE(name, type)                                                                                             \
  /* rows x columns, both with strides; 4 x 4 blocks when that makes either side sequential (a transpose). */              \
  static void name(type *dst, const type *src, int rows, int columns, intptr_t dr, intptr_t dc, intptr_t sr, intptr_t sc) { \
    if (dc != 1 || sc == 1 || sr != 1) {                                                                                   \
      for (int i = 0; i < rows; i++)                                                                                       \
        for (int j = 0; j < columns; j++) dst[i * dr + j * dc] = src[i * sr + j * sc];                                     \
      return;                                                                                                              \
    }                                                                                                                      \
    for (int i0 = 0; i0 < rows; i0 += 8)                                                                                   \
      for (int j0 = 0; j0 < columns; j0 += 8)                                                                              \
        for (int i = i0; i < rows && i < i0 + 8; i++)                                                                      \
          for (int j = j0; j < columns && j < j0 + 8; j++) dst[i * dr + j] = src[i + j * sc];                              \
  }
COPY_PLANE(copy_plane_1, uint8_t)
COPY_PLANE(copy_plane_4, int32_t)
COPY_PLANE(copy_plane_8, int64_t)

static void copy_plane(uint8_t *dst, const uint8_t *src, int bytes, int rows, int columns, const walk *w, int r, int c) {
  intptr_t dr = r < 0 ? 0 : w->dst[r], sr = r < 0 ? 0 : w->src[r], dc = w->dst[c], sc = w->src[c];
  if (bytes == 1)
    copy_plane_1(dst, src, rows, columns, dr, dc, sr, sc);
  else if (bytes == 8)
    copy_plane_8((int64_t *)dst, (const int64_t *)src, rows, columns, dr, dc, sr, sc);
  else if (dc == 1 && sc == 1)
    for (int i = 0; i < rows; i++) copy_floats((float *)dst + i * dr, (const float *)src + i * sr, columns);
  else
    copy_plane_4((int32_t *)dst, (const int32_t *)src, rows, columns, dr, dc, sr, sc);
}

PE_KERNEL(pe_do_copy) {
  const pe_copy *c = (const pe_copy *)params;
  if (c->rank < 0 || c->rank > PE_MAX_RANK || !sizes_ok(c->shape, c->rank, 0) || c->dst == PE_NONE || c->src == PE_NONE)
    return PE_BAD_PARAM;
  if (c->bytes != 1 && c->bytes != 4 && c->bytes != 8) return PE_BAD_PARAM;
  for (int i = 0; i < c->rank; i++)
    if (c->shape[i] == 0) return PE_OK;
  uint8_t *dst = (uint8_t *)at(m, c->dst) + (intptr_t)c->dst_offset * c->bytes;
  const uint8_t *src = (const uint8_t *)at(m, c->src) + (intptr_t)c->src_offset * c->bytes;
  walk w;
  plan_walk(&w, c);
  if (w.rank == 0) {
    w.rank = 1;
    w.shape[0] = 1;
    w.dst[0] = w.src[0] = 1;
  }
  int inner = w.rank - 1, row = w.rank - 2, outer = w.rank > 2 ? w.rank - 2 : 0;
  /* Two reversed dimensions are the plane; of the others, one that is sequential in src makes a better row. */
  for (int i = 0; i < row; i++)
    if (w.src[inner] != 1 && w.src[row] != 1 && w.src[i] == 1) {
      int32_t n = w.shape[i];
      intptr_t d = w.dst[i], s = w.src[i];
      w.shape[i] = w.shape[row], w.dst[i] = w.dst[row], w.src[i] = w.src[row];
      w.shape[row] = n, w.dst[row] = d, w.src[row] = s;
    }
  int32_t index[PE_MAX_RANK] = {0};
  for (;;) {
    copy_plane(dst, src, c->bytes, row < 0 ? 1 : w.shape[row], w.shape[inner], &w, row, inner);
    int i = outer - 1;
    for (; i >= 0; i--) {
      dst += w.dst[i] * c->bytes;
      src += w.src[i] * c->bytes;
      if (++index[i] < w.shape[i]) break;
      dst -= w.dst[i] * w.shape[i] * c->bytes;
      src -= w.src[i] * w.shape[i] * c->bytes;
      index[i] = 0;
    }
    if (i < 0) return PE_OK;
  }
}

PE_KERNEL(pe_do_fill) {
  const pe_fill *f = (const pe_fill *)params;
  if (!SIZES_OK(0, f->n) || f->dst == PE_NONE || (f->bytes != 1 && f->bytes != 4)) return PE_BAD_PARAM;
  if (f->bytes == 1) {
    uint8_t *dst = at(m, f->dst);
    for (int i = 0; i < f->n; i++) dst[i] = (uint8_t)f->bits;
  } else {
    int32_t *dst = at(m, f->dst);
    int i = 0;
    for (; i + VW <= f->n; i += VW) store_int(dst + i, (vi)f->bits);
    for (; i < f->n; i++) dst[i] = f->bits;
  }
  return PE_OK;
}
