/* Fused chains of elementwise instructions over broadcast inputs, tile by tile.
 *
 * The output is cut into tiles of TILE elements that stay in the first cache; each instruction is one call per tile. An input
 * that is contiguous is read where it lies, a scalar is spread once, any other is gathered into its register per tile. */
#include "kernel.h"

enum { TILE = 256, REGISTERS = 16 };

/* How one input walks over the flat output: merged dimensions, innermost last. */
typedef struct {
  const uint8_t *src;
  int32_t type, rank, contiguous, scalar, shape[PE_MAX_RANK], stride[PE_MAX_RANK];
} walk;

static void plan_walk(walk *w, const pe_elementwise *e, const pe_chain_input *input) {
  w->rank = 0;
  for (int i = 0; i < e->rank; i++) {
    int32_t size = e->shape[i], stride = input->stride[i];
    if (size == 1) continue;
    int last = w->rank - 1;
    if (last >= 0 && w->stride[last] == (int64_t)stride * size) {
      w->shape[last] *= size;
      w->stride[last] = stride;
    } else {
      w->shape[w->rank] = size;
      w->stride[w->rank++] = stride;
    }
  }
  if (w->rank == 0) {
    w->rank = 1;
    w->shape[0] = 1;
    w->stride[0] = 0;
  }
  w->type = input->type;
  w->scalar = w->rank == 1 && w->stride[0] == 0;
  w->contiguous = w->rank == 1 && w->stride[0] == 1 && w->type != PE_BOOL;
}

static void read_run(int32_t *dst, const walk *w, int64_t at_element, int32_t stride, int n) {
  if (w->type == PE_BOOL) {
    const uint8_t *src = w->src + at_element;
    for (int i = 0; i < n; i++) dst[i] = src[(intptr_t)i * stride] != 0;
  } else {
    const int32_t *src = (const int32_t *)w->src + at_element;
    if (stride == 1)
      copy_floats((float *)dst, (const float *)src, n);
    else
      for (int i = 0; i < n; i++) dst[i] = src[(intptr_t)i * stride];
  }
}

/* Elements [begin, begin + n) of the flat output as this input gives them. */
static void gather_tile(int32_t *dst, const walk *w, int64_t begin, int n) {
  int32_t index[PE_MAX_RANK];
  int64_t rest = begin, element = 0;
  for (int i = w->rank - 1; i >= 0; i--) {
    index[i] = (int32_t)(rest % w->shape[i]);
    rest /= w->shape[i];
    element += (int64_t)index[i] * w->stride[i];
  }
  int inner = w->rank - 1;
  while (n > 0) {
    int run = w->shape[inner] - index[inner];
    if (run > n) run = n;
    read_run(dst, w, element, w->stride[inner], run);
    dst += run;
    n -= run;
    element += (int64_t)run * w->stride[inner];
    index[inner] += run;
    for (int i = inner; i > 0 && index[i] == w->shape[i]; i--) {
      element += w->stride[i - 1] - (int64_t)w->stride[i] * w->shape[i];
      index[i] = 0;
      index[i - 1]++;
    }
  }
}

static void write_tile(uint8_t *dst, int32_t type, int64_t begin, const float *src, int n) {
  if (type == PE_BOOL)
    for (int i = 0; i < n; i++) dst[begin + i] = ((const int32_t *)src)[i] != 0;
  else if ((float *)dst + begin != src)
    copy_floats((float *)dst + begin, src, n);
}

static int code_ok(const pe_chain_code *code, int n_code, int registers) {
  for (int i = 0; i < n_code; i++) {
    const pe_chain_code *c = code + i;
    int unary = c->op < PE_UNARY_COUNT, constant = c->op == PE_CONST;
    if (c->op < 0 || c->op >= PE_OPCODES || (!constant && !pe_lane[c->op])) return 0;
    if ((uint32_t)c->reg >= (uint32_t)registers) return 0;
    if (!constant && (uint32_t)c->a >= (uint32_t)registers) return 0;
    if (!constant && !unary && c->b != PE_NONE && (uint32_t)c->b >= (uint32_t)registers) return 0;
    if (c->op == PE_SELECT && (uint32_t)c->extra >= (uint32_t)registers) return 0;
  }
  return 1;
}

/* n: whole vectors. */
static void fill_register(float *dst, int32_t bits, int n) {
  for (int i = 0; i < n; i += VW) store_int(dst + i, (vi)bits);
}

PE_KERNEL(pe_do_elementwise) {
  const pe_elementwise *e = (const pe_elementwise *)params;
  if (e->rank < 0 || e->rank > PE_MAX_RANK || e->n_in < 0 || e->n_in > REGISTERS || e->n_out < 0 || e->n_out > REGISTERS)
    return PE_BAD_PARAM;
  if (e->registers < 1 || e->registers > REGISTERS || e->n_in > e->registers || e->n_code < 0 || e->n_code > 4096)
    return PE_BAD_PARAM;
  int64_t need = sizeof(pe_elementwise) / 4 + (int64_t)e->n_in * (sizeof(pe_chain_input) / 4) +
                 (int64_t)e->n_out * (sizeof(pe_chain_output) / 4) + (int64_t)e->n_code * (sizeof(pe_chain_code) / 4);
  if (words < need) return PE_BAD_CODE;
  if (!sizes_ok(e->shape, e->rank, 0)) return PE_BAD_PARAM;
  const pe_chain_input *in = (const pe_chain_input *)(e + 1);
  const pe_chain_output *out = (const pe_chain_output *)(in + e->n_in);
  const pe_chain_code *code = (const pe_chain_code *)(out + e->n_out);
  if (!code_ok(code, e->n_code, e->registers)) return PE_BAD_PARAM;

  int64_t total = 1;
  for (int i = 0; i < e->rank; i++) total *= e->shape[i];
  if (total == 0) return PE_OK;
  for (int i = 0; i < e->n_out; i++)
    if ((uint32_t)out[i].reg >= (uint32_t)e->registers || out[i].dst == PE_NONE) return PE_BAD_PARAM;

  float storage[REGISTERS][TILE] __attribute__((aligned(64)));
  float *reg[REGISTERS];
  walk walks[REGISTERS];
  int writes[REGISTERS] = {0}, used = total < TILE ? ((int)total + VW - 1) / VW * VW : TILE;
  for (int i = 0; i < e->registers; i++) {
    reg[i] = storage[i];
    if (i >= e->n_in || used != total) fill_register(storage[i], 0, used);
  }
  for (int i = 0; i < e->n_code; i++) writes[code[i].reg]++;
  for (int i = 0; i < e->n_in; i++) {
    if (in[i].src == PE_NONE || in[i].type < 0 || in[i].type > PE_BOOL) return PE_BAD_PARAM;
    walks[i].src = at(m, in[i].src);
    plan_walk(&walks[i], e, &in[i]);
  }
  /* The last instruction may write its tile straight into the output. */
  int direct = -1;
  for (int i = 0; i < e->n_out && e->n_code; i++)
    if (out[i].reg == code[e->n_code - 1].reg && out[i].type != PE_BOOL && code[e->n_code - 1].op != PE_CONST) direct = i;

  uint32_t passed = 0;
  for (int i = 0; i < e->n_out; i++) passed |= writes[out[i].reg] ? 0 : 1u << out[i].reg;

  for (int64_t begin = 0; begin < total; begin += TILE) {
    int n = total - begin < TILE ? (int)(total - begin) : TILE, whole = n % VW == 0;
    for (int i = 0; i < e->n_in; i++) {
      const walk *w = &walks[i];
      /* an input that is an output as it came is copied first: its buffer may be written to */
      if (w->contiguous && whole && !(passed >> i & 1)) {
        reg[i] = (float *)w->src + begin;
        continue;
      }
      reg[i] = storage[i];
      if (!w->scalar)
        gather_tile((int32_t *)storage[i], w, begin, n);
      else if (begin == 0 || writes[i])
        fill_register(storage[i], w->type == PE_BOOL ? *w->src != 0 : *(const int32_t *)w->src, used);
    }
    int rounded = (n + VW - 1) / VW * VW;
    for (int i = 0; i < e->n_code; i++) {
      const pe_chain_code *c = code + i;
      if (c->op == PE_CONST) {
        if (begin == 0 || writes[c->reg] > 1 || c->reg < e->n_in) fill_register(storage[c->reg], c->a, used);
        reg[c->reg] = storage[c->reg];
        continue;
      }
      int unary = c->op < PE_UNARY_COUNT;
      float *dst = storage[c->reg];
      if (direct >= 0 && whole && i == e->n_code - 1) dst = (float *)at(m, out[direct].dst) + begin;
      const float *b = unary || c->b == PE_NONE ? reg[c->a] : reg[c->b];
      const float *extra = c->op == PE_SELECT ? reg[c->extra] : b;
      pe_lane[c->op](dst, reg[c->a], b, extra, rounded, unary ? bits_to_float(c->b) : 0);
      reg[c->reg] = dst;
    }
    for (int i = 0; i < e->n_out; i++) write_tile(at(m, out[i].dst), out[i].type, begin, reg[out[i].reg], n);
  }
  return PE_OK;
}
