/* Control flow over sub-ranges of the code: scan over time, cond, while. Loops nest to a depth of 32. */
#include "kernel.h"

enum { MAX_DEPTH = 32 };

static void move(const pe_memory *m, const pe_move *v, int64_t dst_offset, int64_t src_offset) {
  copy_bytes((uint8_t *)at(m, v->dst) + dst_offset, (const uint8_t *)at(m, v->src) + src_offset, v->bytes);
}

static int moves_ok(const pe_move *moves, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (moves[i].bytes < 0 || moves[i].dst == PE_NONE || moves[i].src == PE_NONE) return 0;
  return 1;
}

/* One level deeper; PE_BAD_CODE when too deep or when the range is not one. */
static int enter(pe_memory *inner, const pe_memory *m) {
  *inner = *m;
  return ++inner->depth <= MAX_DEPTH ? PE_OK : PE_BAD_CODE;
}

static int run_body(const pe_memory *m, int32_t begin, int32_t end) {
  int32_t step;
  if (begin < 0 || end < begin) return PE_BAD_CODE;
  return pe_run_range(m, begin, end, &step);
}

PE_KERNEL(pe_do_scan) {
  const pe_scan *s = (const pe_scan *)params;
  if (s->length < 0 || s->n_in < 0 || s->n_out < 0 || s->n_carry < 0) return PE_BAD_PARAM;
  int64_t n = (int64_t)s->n_in + s->n_out + s->n_carry;
  if (words < (int64_t)(sizeof(pe_scan) / 4) + n * (int64_t)(sizeof(pe_move) / 4)) return PE_BAD_CODE;
  const pe_move *in = (const pe_move *)(s + 1), *out = in + s->n_in, *carry = out + s->n_out;
  if (!moves_ok(in, n)) return PE_BAD_PARAM;
  pe_memory inner;
  int status = enter(&inner, m);
  for (int32_t i = 0; i < s->length && status == PE_OK; i++) {
    int64_t t = s->reverse ? s->length - 1 - i : i;
    for (int j = 0; j < s->n_in; j++) move(m, in + j, 0, t * in[j].step);
    status = run_body(&inner, s->begin, s->end);
    if (status != PE_OK) break;
    for (int j = 0; j < s->n_out; j++) move(m, out + j, t * out[j].step, 0);
    for (int j = 0; j < s->n_carry; j++) move(m, carry + j, 0, 0);
  }
  return status;
}

PE_KERNEL(pe_do_cond) {
  const pe_cond *c = (const pe_cond *)params;
  if (c->pred == PE_NONE) return PE_BAD_PARAM;
  pe_memory inner;
  int status = enter(&inner, m);
  if (status != PE_OK) return status;
  int yes = *(const uint8_t *)at(m, c->pred) != 0;
  return yes ? run_body(&inner, c->then_begin, c->then_end) : run_body(&inner, c->else_begin, c->else_end);
}

PE_KERNEL(pe_do_while) {
  const pe_while *w = (const pe_while *)params;
  if (w->flag == PE_NONE || w->n_carry < 0) return PE_BAD_PARAM;
  if (words < (int64_t)(sizeof(pe_while) / 4) + (int64_t)w->n_carry * (int64_t)(sizeof(pe_move) / 4)) return PE_BAD_CODE;
  const pe_move *carry = (const pe_move *)(w + 1);
  if (!moves_ok(carry, w->n_carry)) return PE_BAD_PARAM;
  pe_memory inner;
  int status = enter(&inner, m);
  for (int32_t i = 0; status == PE_OK; i++) {
    status = run_body(&inner, w->cond_begin, w->cond_end);
    if (status != PE_OK || !*(const uint8_t *)at(m, w->flag)) return status;
    if (i >= w->max_steps) return PE_LOOP_LIMIT;
    status = run_body(&inner, w->body_begin, w->body_end);
    for (int j = 0; j < w->n_carry && status == PE_OK; j++) move(m, carry + j, 0, 0);
  }
  return status;
}
