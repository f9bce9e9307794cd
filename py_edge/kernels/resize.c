/* Resizing images as TensorFlow's ResizeBilinear and ResizeNearestNeighbor, and the gradient; coordinates in float32. */
#include "kernel.h"

enum { ALIGN_CORNERS = 1, HALF_PIXEL = 2 };

/* Where an output index reads: lower and upper input index, weight of the upper. */
typedef struct { int lower, upper; float weight; } place;

static int clamp(float v, int size) { return v < 0 ? 0 : v > (float)(size - 1) ? size - 1 : (int)v; }

static place place_of(int out, int size, int out_size, const pe_resize *p) {
  int corners = (p->flags & ALIGN_CORNERS) && out_size > 1, half = p->flags & HALF_PIXEL;
  float scale = corners ? (float)((double)(size - 1) / (double)(out_size - 1)) : (float)((double)size / (double)out_size);
  float origin = half ? ((float)out + 0.5f) * scale : (float)out * scale;
  if (p->method == 0) {
    int index = clamp(__builtin_floorf((p->flags & ALIGN_CORNERS) ? origin + 0.5f : origin), size);
    place near = {index, index, 0};
    return near;
  }
  if (half) origin -= 0.5f;
  float floor = __builtin_floorf(origin);
  place between = {clamp(floor, size), clamp(__builtin_ceilf(origin), size), origin - floor};
  return between;
}

static int resize_ok(const pe_resize *p) {
  return SIZES_OK(0, p->N, p->H, p->W, p->C) && SIZES_OK(0, p->N, p->OH, p->OW, p->C) && p->y != PE_NONE && p->x != PE_NONE &&
         (p->method == 0 || p->method == 1) && ((p->H > 0 && p->W > 0) || (int64_t)p->OH * p->OW == 0);
}

PE_KERNEL(pe_do_resize) {
  const pe_resize *p = (const pe_resize *)params;
  if (!resize_ok(p)) return PE_BAD_PARAM;
  float *y = at(m, p->y);
  const float *image = at(m, p->x);
  int C = p->C;
  for (int n = 0; n < p->N; n++, image += (intptr_t)p->H * p->W * C)
    for (int oh = 0; oh < p->OH; oh++) {
      place row = place_of(oh, p->H, p->OH, p);
      const float *top = image + (intptr_t)row.lower * p->W * C, *bottom = image + (intptr_t)row.upper * p->W * C;
      for (int ow = 0; ow < p->OW; ow++, y += C) {
        place column = place_of(ow, p->W, p->OW, p);
        intptr_t left = (intptr_t)column.lower * C, right = (intptr_t)column.upper * C;
        if (p->method == 0) {
          copy_floats(y, top + left, C);
          continue;
        }
        int c = 0;
        for (; c + VW <= C; c += VW) {
          vf a = load(top + left + c), b = load(bottom + left + c);
          a = fma(load(top + right + c) - a, splat(column.weight), a);
          b = fma(load(bottom + right + c) - b, splat(column.weight), b);
          store(y + c, fma(b - a, splat(row.weight), a));
        }
        for (; c < C; c++) {
          float a = top[left + c] + (top[right + c] - top[left + c]) * column.weight;
          float b = bottom[left + c] + (bottom[right + c] - bottom[left + c]) * column.weight;
          y[c] = a + (b - a) * row.weight;
        }
      }
    }
  return PE_OK;
}

static void add_scaled(float *d, const float *a, float factor, int n) {
  int i = 0;
  for (; i + VW <= n; i += VW) store(d + i, fma(load(a + i), splat(factor), load(d + i)));
  for (; i < n; i++) d[i] += a[i] * factor;
}

PE_KERNEL(pe_do_resize_grad) {
  const pe_resize *p = (const pe_resize *)params;
  if (!resize_ok(p)) return PE_BAD_PARAM;
  float *image = at(m, p->y);
  const float *dy = at(m, p->x);
  int C = p->C;
  zero_floats(image, p->N * p->H * p->W * C);
  for (int n = 0; n < p->N; n++, image += (intptr_t)p->H * p->W * C)
    for (int oh = 0; oh < p->OH; oh++) {
      place row = place_of(oh, p->H, p->OH, p);
      float *top = image + (intptr_t)row.lower * p->W * C, *bottom = image + (intptr_t)row.upper * p->W * C;
      for (int ow = 0; ow < p->OW; ow++, dy += C) {
        place column = place_of(ow, p->W, p->OW, p);
        intptr_t left = (intptr_t)column.lower * C, right = (intptr_t)column.upper * C;
        float low = 1 - row.weight, first = 1 - column.weight;
        add_scaled(top + left, dy, low * first, C);
        if (p->method == 0) continue;
        add_scaled(top + right, dy, low * column.weight, C);
        add_scaled(bottom + left, dy, row.weight * first, C);
        add_scaled(bottom + right, dy, row.weight * column.weight, C);
      }
    }
  return PE_OK;
}
