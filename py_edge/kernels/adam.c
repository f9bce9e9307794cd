/* Adam: gradient, weight and both moments are read once and written once, with no pass between.
 * Kingma and Ba 2015, in the order of the last lines of section 2, with Keras' epsilon. */
#include "kernel.h"

typedef struct {
  vf weight, m, v;
} adam_state;

/* No fused multiply-add: the same bits on every machine. */
INLINE adam_state adam_step(adam_state old, vf gradient, vf rate_m, vf rate_v, vf step_size, vf epsilon) {
  vf m = old.m + (gradient - old.m) * rate_m, v = old.v + (gradient * gradient - old.v) * rate_v;
  return (adam_state){old.weight - m * step_size / (__builtin_elementwise_sqrt(v) + epsilon), m, v};
}

PE_KERNEL(pe_do_adam) {
  const pe_adam *p = (const pe_adam *)params;
  if (!SIZES_OK(0, p->n)) return PE_BAD_PARAM;
  for (int i = 0; i < 9; i++)
    if (params[i] == PE_NONE) return PE_BAD_PARAM;
  float *weight = at(m, p->weight), *m_to = at(m, p->m), *v_to = at(m, p->v);
  const float *old = at(m, p->old_weight), *gradient = at(m, p->gradient), *m_from = at(m, p->old_m), *v_from = at(m, p->old_v);
  vf rate_m = splat(bits_to_float(p->rate_m)), rate_v = splat(bits_to_float(p->rate_v));
  vf step_size = splat(*(float *)at(m, p->step_size)), epsilon = splat(*(float *)at(m, p->epsilon));
  int n = p->n, i = 0;
  for (; i + VW <= n; i += VW) {
    adam_state s = {load(old + i), load(m_from + i), load(v_from + i)};
    s = adam_step(s, load(gradient + i), rate_m, rate_v, step_size, epsilon);
    store(weight + i, s.weight), store(m_to + i, s.m), store(v_to + i, s.v);
  }
  if (i < n) {
    int rest = n - i;
    adam_state s = {load_first(old + i, rest), load_first(m_from + i, rest), load_first(v_from + i, rest)};
    s = adam_step(s, load_first(gradient + i, rest), rate_m, rate_v, step_size, epsilon);
    store_first(weight + i, s.weight, rest), store_first(m_to + i, s.m, rest), store_first(v_to + i, s.v, rest);
  }
  return PE_OK;
}
