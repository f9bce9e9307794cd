/* Picking rows by index and its transpose, adding rows up by index. */
#include "kernel.h"

PE_KERNEL(pe_do_gather) {
  const pe_gather *p = (const pe_gather *)params;
  if (!SIZES_OK(0, p->batch, p->outer, p->axis, p->inner) || !SIZES_OK(0, p->batch, p->outer, p->count, p->inner) ||
      !SIZES_OK(0, p->batch, p->count) || p->y == PE_NONE || p->x == PE_NONE || p->indices == PE_NONE)
    return PE_BAD_PARAM;
  if (p->bytes != 1 && p->bytes != 4 && p->bytes != 8) return PE_BAD_PARAM;
  int64_t row = (int64_t)p->inner * p->bytes;
  uint8_t *y = at(m, p->y);
  const uint8_t *x = at(m, p->x);
  const int32_t *indices = at(m, p->indices);
  for (int b = 0; b < p->batch; b++, indices += p->count)
    for (int o = 0; o < p->outer; o++, x += p->axis * row)
      for (int i = 0; i < p->count; i++, y += row) {
        int32_t index = indices[i];
        if ((uint32_t)index < (uint32_t)p->axis)
          copy_bytes(y, x + index * row, row);
        else if (p->clip)
          for (int64_t j = 0; j < row; j++) y[j] = 0;
        else
          return PE_BAD_INDEX;
      }
  return PE_OK;
}

PE_KERNEL(pe_do_scatter_add) {
  const pe_scatter_add *p = (const pe_scatter_add *)params;
  if (!SIZES_OK(0, p->batch, p->outer, p->axis, p->inner) || !SIZES_OK(0, p->batch, p->outer, p->count, p->inner) ||
      !SIZES_OK(0, p->batch, p->count) || p->y == PE_NONE || p->u == PE_NONE || p->indices == PE_NONE)
    return PE_BAD_PARAM;
  if (p->type != PE_F32 && p->type != PE_I32) return PE_BAD_PARAM;
  float *y = at(m, p->y);
  const float *u = at(m, p->u);
  const int32_t *indices = at(m, p->indices);
  zero_floats(y, p->batch * p->outer * p->axis * p->inner);
  for (int b = 0; b < p->batch; b++, indices += p->count)
    for (int o = 0; o < p->outer; o++, y += (intptr_t)p->axis * p->inner)
      for (int i = 0; i < p->count; i++, u += p->inner) {
        int32_t index = indices[i];
        if ((uint32_t)index >= (uint32_t)p->axis) {
          if (p->clip) continue;
          return PE_BAD_INDEX;
        }
        float *row = y + (intptr_t)index * p->inner;
        int c = 0;
        if (p->type == PE_F32) {
          for (; c + VW <= p->inner; c += VW) store(row + c, load(row + c) + load(u + c));
          for (; c < p->inner; c++) row[c] += u[c];
        } else {
          for (; c < p->inner; c++) ((uint32_t *)row)[c] += ((const uint32_t *)u)[c];
        }
      }
  return PE_OK;
}
