/* Random floats as a pure function of (seed, counter, index): the same on every machine.
 * Source: Widynski 2020, Squares: A Fast Counter-Based RNG (32 bit form); the key is splitmix64 of the seed, made odd. */
#include "kernel.h"

#include "functions.h"

static uint64_t key_of(uint32_t seed) {
  uint64_t z = seed + 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (z ^ (z >> 31)) | 1;
}

static uint32_t squares(uint64_t counter, uint64_t key) {
  uint64_t x = counter * key, y = x, z = y + key;
  x = x * x + y;
  x = (x >> 32) | (x << 32);
  x = x * x + z;
  x = (x >> 32) | (x << 32);
  x = x * x + y;
  x = (x >> 32) | (x << 32);
  return (uint32_t)((x * x + z) >> 32);
}

/* [0, 1) in steps of 2^-24 */
static float unit(uint64_t counter, uint64_t key) { return (float)(squares(counter, key) >> 8) * 5.9604644775390625e-8f; }

PE_KERNEL(pe_do_random) {
  const pe_random *p = (const pe_random *)params;
  if (!SIZES_OK(0, p->n) || p->kind < 0 || p->kind > 2 || p->y == PE_NONE || p->counter == PE_NONE)
    return PE_BAD_PARAM;
  float *y = at(m, p->y), chance = bits_to_float(p->alpha);
  uint64_t key = key_of((uint32_t)p->seed), base = (uint64_t)*(const uint32_t *)at(m, p->counter) << 32;
  if (p->kind != 1) {
    for (int i = 0; i < p->n; i++) {
      float u = unit(base + 2 * (uint64_t)i, key);
      y[i] = p->kind == 0 ? u : u < chance ? 1.0f : 0.0f;
    }
    return PE_OK;
  }
  for (int i = 0; i < p->n; i += VW) {
    vf first = splat(0), second = splat(0);
    int n = p->n - i < VW ? p->n - i : VW;
    for (int j = 0; j < n; j++) {
      first[j] = unit(base + 2 * (uint64_t)(i + j), key);
      second[j] = unit(base + 2 * (uint64_t)(i + j) + 1, key);
    }
    vd radius = d_sqrt(-2.0 * d_log(1.0 - widen(first)));
    vf v = narrow(radius * d_sin_cos(widen(second) * 6.283185307179586).cosine);
    for (int j = 0; j < n; j++) y[i + j] = v[j];
  }
  return PE_OK;
}
