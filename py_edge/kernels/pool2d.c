/* Maximum and average pooling and their gradients; vectors over channels. The average is over what lies inside. */
#include "kernel.h"

#include "functions.h"

#define POOL_OK(p, a, b)                                                                                                   \
  (SIZES_OK(1, p->KH, p->KW) && SIZES_OK(0, p->N, p->H, p->W, p->C) && SIZES_OK(0, p->N, p->OH, p->OW, p->C) &&            \
   SIZES_OK(1, p->KH, p->DH) && SIZES_OK(1, p->KW, p->DW) && SIZES_OK(0, p->OH, p->SH) && SIZES_OK(0, p->OW, p->SW) &&     \
   p->SH >= 1 && p->SW >= 1 && p->PT >= 0 && p->PL >= 0 && p->PT <= (1 << 28) && p->PL <= (1 << 28) &&                     \
   (p->kind == 0 || p->kind == 1) && a != PE_NONE && b != PE_NONE)

static float pool_one(const pe_pool2d *p, const float *x, pe_span rows, pe_span columns, float count) {
  float value = p->kind == 0 ? -INF : 0;
  for (int kh = rows.first; kh < rows.end; kh++)
    for (int kw = columns.first; kw < columns.end; kw++) {
      float v = x[((intptr_t)(rows.origin + kh * p->DH) * p->W + columns.origin + kw * p->DW) * p->C];
      if (p->kind)
        value += v;
      else
        value = v > value || v != v ? v : value;
    }
  return p->kind == 0 ? value : value / count;
}

PE_KERNEL(pe_do_pool2d) {
  const pe_pool2d *p = (const pe_pool2d *)params;
  if (!POOL_OK(p, p->y, p->x)) return PE_BAD_PARAM;
  const float *image = at(m, p->x);
  float *y = at(m, p->y);
  for (int n = 0; n < p->N; n++, image += (intptr_t)p->H * p->W * p->C)
    for (int oh = 0; oh < p->OH; oh++) {
      pe_span rows = pe_span_of(oh, p->SH, p->PT, p->KH, p->DH, p->H);
      for (int ow = 0; ow < p->OW; ow++, y += p->C) {
        pe_span columns = pe_span_of(ow, p->SW, p->PL, p->KW, p->DW, p->W);
        float count = (float)((rows.end - rows.first) * (columns.end - columns.first));
        int c = 0;
        for (; c + VW <= p->C; c += VW) {
          vf value = splat(p->kind == 0 ? -INF : 0);
          for (int kh = rows.first; kh < rows.end; kh++)
            for (int kw = columns.first; kw < columns.end; kw++) {
              vf v = load(image + ((intptr_t)(rows.origin + kh * p->DH) * p->W + columns.origin + kw * p->DW) * p->C + c);
              value = p->kind ? value + v : choose((v > value) | (v != v), v, value);
            }
          store(y + c, p->kind == 0 ? value : value / count);
        }
        for (; c < p->C; c++) y[c] = pool_one(p, image + c, rows, columns, count);
      }
    }
  return PE_OK;
}

PE_KERNEL(pe_do_pool2d_grad) {
  const pe_pool2d_grad *p = (const pe_pool2d_grad *)params;
  if (!POOL_OK(p, p->dx, p->dy) || (p->kind == 0 && p->x == PE_NONE)) return PE_BAD_PARAM;
  float *dx = at(m, p->dx);
  const float *x = at(m, p->x), *dy = at(m, p->dy);
  zero_floats(dx, p->N * p->H * p->W * p->C);
  for (int n = 0; n < p->N; n++) {
    intptr_t image = (intptr_t)n * p->H * p->W * p->C;
    for (int oh = 0; oh < p->OH; oh++) {
      pe_span rows = pe_span_of(oh, p->SH, p->PT, p->KH, p->DH, p->H);
      for (int ow = 0; ow < p->OW; ow++, dy += p->C) {
        pe_span columns = pe_span_of(ow, p->SW, p->PL, p->KW, p->DW, p->W);
        float share = 1.0f / (float)((rows.end - rows.first) * (columns.end - columns.first));
        for (int c = 0; c < p->C; c++) {
          intptr_t best = -1;
          for (int kh = rows.first; kh < rows.end; kh++)
            for (int kw = columns.first; kw < columns.end; kw++) {
              intptr_t i = image + ((intptr_t)(rows.origin + kh * p->DH) * p->W + columns.origin + kw * p->DW) * p->C + c;
              if (p->kind == 1)
                dx[i] += dy[c] * share;
              else if (best < 0 || x[i] > x[best])
                best = i;
            }
          if (best >= 0) dx[best] += dy[c];
        }
      }
    }
  }
  return PE_OK;
}
