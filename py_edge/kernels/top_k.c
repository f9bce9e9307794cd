/* The k largest of each row, falling, the lower index first among equals; NaN comes last. A heap of k indices in scratch. */
#include "kernel.h"

typedef struct {
  const void *row;
  int32_t type;
} source;

/* Whether element a comes after element b in the result. */
static int after(const source *s, int32_t a, int32_t b) {
  if (s->type == PE_I32) {
    int32_t x = ((const int32_t *)s->row)[a], y = ((const int32_t *)s->row)[b];
    return x != y ? x < y : a > b;
  }
  float x = ((const float *)s->row)[a], y = ((const float *)s->row)[b];
  if (x != x || y != y) return (x != x) != (y != y) ? x != x : a > b;
  return x != y ? x < y : a > b;
}

/* heap[0] comes last of all; push index i down from slot `at`. */
static void sift(const source *s, int32_t *heap, int n, int slot) {
  int32_t moving = heap[slot];
  for (int child; (child = 2 * slot + 1) < n; slot = child) {
    if (child + 1 < n && after(s, heap[child + 1], heap[child])) child++;
    if (!after(s, heap[child], moving)) break;
    heap[slot] = heap[child];
  }
  heap[slot] = moving;
}

PE_KERNEL(pe_do_top_k) {
  const pe_top_k *p = (const pe_top_k *)params;
  if (!SIZES_OK(0, p->rows, p->n) || p->k < 0 || p->k > p->n || p->type < 0 || p->type > PE_I32) return PE_BAD_PARAM;
  if (p->values == PE_NONE || p->indices == PE_NONE || p->x == PE_NONE || p->scratch == PE_NONE) return PE_BAD_PARAM;
  int32_t *heap = at(m, p->scratch), *values = at(m, p->values), *indices = at(m, p->indices);
  const int32_t *x = at(m, p->x);
  int k = p->k;
  if (k == 0) return PE_OK;
  for (int r = 0; r < p->rows; r++, x += p->n, values += k, indices += k) {
    source s = {x, p->type};
    for (int i = 0; i < k; i++) heap[i] = i;
    for (int i = k / 2 - 1; i >= 0; i--) sift(&s, heap, k, i);
    for (int i = k; i < p->n; i++) {
      if (after(&s, i, heap[0])) continue;
      heap[0] = i;
      sift(&s, heap, k, 0);
    }
    for (int last = k - 1; last >= 0; last--) {
      indices[last] = heap[0];
      values[last] = x[heap[0]];
      heap[0] = heap[last];
      sift(&s, heap, last, 0);
    }
  }
  return PE_OK;
}
