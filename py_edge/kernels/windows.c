/* Copying windows of an image into rows of a small matrix, and adding such rows back. Never for more than a block of pixels. */
#include "conv2d.h"

int pe_window_ok(const pe_window *w, int O) {
  if (!SIZES_OK(1, w->KH, w->KW, w->C) || !SIZES_OK(1, w->SH, w->SW, w->groups) || !SIZES_OK(1, w->DH, w->DW, w->C))
    return 0;
  if (!SIZES_OK(0, w->N, w->H, w->W, w->C) || !SIZES_OK(0, w->N, w->OH, w->OW, O)) return 0;
  if (!SIZES_OK(1, w->KH, w->DH) || !SIZES_OK(1, w->KW, w->DW) || !SIZES_OK(0, w->OH, w->SH) || !SIZES_OK(0, w->OW, w->SW))
    return 0;
  if (w->C % w->groups || O % w->groups || O < 1 || w->PT < 0 || w->PL < 0) return 0;
  return !(w->PT > (1 << 28) || w->PL > (1 << 28) || w->H > (1 << 28) || w->W > (1 << 28)) &&
         SIZES_OK(1, w->KH, w->KW, w->C / w->groups, PANELS(O / w->groups), NR);
}

static void one_row(float *dst, const float *x, const pe_window *w, int group, int n, int oh, int ow) {
  int cg = w->C / w->groups, whole = w->groups == 1 && w->DW == 1;
  int top = oh * w->SH - w->PT, left = ow * w->SW - w->PL;
  for (int kh = 0; kh < w->KH; kh++) {
    int h = top + kh * w->DH;
    if (h < 0 || h >= w->H) {
      zero_floats(dst, w->KW * cg);
      dst += w->KW * cg;
      continue;
    }
    const float *line = x + ((intptr_t)n * w->H + h) * w->W * w->C + group * cg;
    if (whole && left >= 0 && left + w->KW <= w->W) {
      copy_floats(dst, line + (intptr_t)left * w->C, w->KW * cg);
      dst += w->KW * cg;
      continue;
    }
    for (int kw = 0; kw < w->KW; kw++, dst += cg) {
      int column = left + kw * w->DW;
      if (column < 0 || column >= w->W)
        zero_floats(dst, cg);
      else
        copy_floats(dst, line + (intptr_t)column * w->C, cg);
    }
  }
}

static void one_row_add(float *x, const float *src, const pe_window *w, int group, int n, int oh, int ow) {
  int cg = w->C / w->groups;
  for (int kh = 0; kh < w->KH; kh++) {
    int h = oh * w->SH - w->PT + kh * w->DH;
    if (h < 0 || h >= w->H) {
      src += w->KW * cg;
      continue;
    }
    float *line = x + ((intptr_t)n * w->H + h) * w->W * w->C + group * cg;
    for (int kw = 0; kw < w->KW; kw++, src += cg) {
      int column = ow * w->SW - w->PL + kw * w->DW;
      if (column < 0 || column >= w->W) continue;
      float *dst = line + (intptr_t)column * w->C;
      int c = 0;
      for (; c + VW <= cg; c += VW) store(dst + c, load(dst + c) + load(src + c));
      for (; c < cg; c++) dst[c] += src[c];
    }
  }
}

typedef struct { int n, oh, ow; } pixel;

static pixel pixel_of(const pe_window *w, int index) {
  pixel p = {index / (w->OH * w->OW), index / w->OW % w->OH, index % w->OW};
  return p;
}

static void next_pixel(pixel *p, const pe_window *w) {
  if (++p->ow < w->OW) return;
  p->ow = 0;
  if (++p->oh < w->OH) return;
  p->oh = 0;
  p->n++;
}

void pe_window_rows(float *dst, const float *x, const pe_window *w, int group, int first, int count) {
  int K = w->KH * w->KW * (w->C / w->groups);
  pixel p = pixel_of(w, first);
  for (int i = 0; i < count; i++, dst += K, next_pixel(&p, w)) one_row(dst, x, w, group, p.n, p.oh, p.ow);
}

void pe_window_rows_add(float *x, const float *rows, intptr_t row_stride, const pe_window *w, int group, int first, int count) {
  pixel p = pixel_of(w, first);
  for (int i = 0; i < count; i++, rows += row_stride, next_pixel(&p, w)) one_row_add(x, rows, w, group, p.n, p.oh, p.ow);
}
