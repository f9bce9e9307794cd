/* Several threads on one plan. All walk the same steps: one that is worth it is cut into shares (share.c), any other is done
 * by thread 0; a barrier stands where a step needs what another thread did. Nothing of it is in the plan, so a plan is the
 * same for any number of threads. Natively the host calls pe_crew_run once in every thread; in WebAssembly the helpers stay
 * in pe_crew_serve, spin for a moment after a run and then sleep.
 *
 * Barriers only count upwards: the n-th one is passed when `threads` n threads have arrived. */
#include "share.h"

#if !defined(__wasm__) && !defined(_WIN32)
#include <sched.h>
#endif

#define EXPORT __attribute__((visibility("default")))

/* LOST_ROUNDS of SPINS: a second or more, after which thread 0, which cannot sleep, gives the others up. */
enum { MOST_THREADS = 16, SPINS = 1000, IDLE_SPINS = 30000, LOST_ROUNDS = 2000000 };

typedef struct {
  int32_t threads, private_bytes, step_work, begin, end, stop, lost;
  const int32_t *code;
  uint8_t *arena, *weights, *private;
  uint32_t passed[MOST_THREADS];
  int32_t status[MOST_THREADS];
  _Alignas(64) uint32_t jobs;
  _Alignas(64) uint32_t arrived;
  _Alignas(64) uint32_t sleepers;
} crew;
_Static_assert(sizeof(crew) <= PE_CREW_BYTES, "the host makes room for a crew");

#define LOAD(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define ADD(p, n) __atomic_add_fetch(p, n, __ATOMIC_SEQ_CST)

static void pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Until *counter has reached `target` or the crew is lost; patient: may sleep, as every thread but a page's own may. */
static void wait_for(crew *c, uint32_t *counter, uint32_t target, int spins, int patient) {
  for (int rounds = 1;; rounds++) {
    for (int i = 0; i < spins; i++) {
      if ((int32_t)(LOAD(counter) - target) >= 0) return;
      pause();
    }
    if (LOAD(&c->lost)) return;
#if defined(__wasm_atomics__)
    if (!patient) {
      if (rounds == LOST_ROUNDS) ADD(&c->lost, 1);
      continue;
    }
    ADD(&c->sleepers, 1);
    uint32_t seen = LOAD(counter);
    if ((int32_t)(seen - target) < 0) __builtin_wasm_memory_atomic_wait32((int32_t *)counter, (int32_t)seen, -1);
    ADD(&c->sleepers, -1);
#elif !defined(__wasm__) && !defined(_WIN32)
    sched_yield();
#endif
    (void)rounds;
  }
}

static void count_up(crew *c, uint32_t *counter) {
  ADD(counter, 1);
#if defined(__wasm_atomics__)
  if (LOAD(&c->sleepers)) __builtin_wasm_memory_atomic_notify((int32_t *)counter, MOST_THREADS);
#endif
}

static void barrier(crew *c, int32_t thread) {
  uint32_t target = ++c->passed[thread] * (uint32_t)c->threads;
  count_up(c, &c->arrived);
  wait_for(c, &c->arrived, target, SPINS, thread != 0);
}

static int one_share(const pe_memory *m, const crew *c, int32_t thread, int32_t kernel, const int32_t *params, int32_t words) {
  int32_t own[PE_SHARE_WORDS];
  for (int32_t i = 0; i < words; i++) own[i] = params[i];
  return pe_share_take(kernel, own, words, c->threads, thread) ? pe_run_step(m, kernel, own, words) : PE_OK;
}

/* After a failure a thread still goes to every barrier, so that nobody waits for it. */
static int walk(crew *c, int32_t thread, int32_t begin, int32_t end, int32_t *step) {
  pe_memory m = {{c->arena, c->weights, 0, thread ? c->private + (intptr_t)(thread - 1) * c->private_bytes : 0}, c->code, 0};
  int status = PE_OK, dirty = 0, was_shared = 0;
  int32_t index = 0;
  for (int32_t pc = begin; pc < end; index++) {
    if (!pe_step_ok(c->code, pc, end)) {
      if (status == PE_OK) status = PE_BAD_CODE, *step = index;
      break;
    }
    int32_t kernel = c->code[pc], words = c->code[pc + 1];
    const int32_t *params = c->code + pc + 2;
    int shared = pe_share_work(kernel, params, words, c->threads) >= c->step_work;
    if (dirty && (shared || was_shared)) barrier(c, thread);
    if (status == PE_OK && (shared || thread == 0)) {
      if (LOAD(&c->lost)) status = PE_LOST;
      else status = shared ? one_share(&m, c, thread, kernel, params, words) : pe_run_step(&m, kernel, params, words);
      if (status != PE_OK) *step = index;
    }
    dirty = 1;
    was_shared = shared;
    pc += 2 + words;
  }
  return status;
}

EXPORT int32_t pe_crew_private(const int32_t *code, int32_t begin, int32_t end, int32_t threads, int32_t step_work,
                                int32_t least_work) {
  int64_t work = 0;
  int32_t most = 0;
  if (!code || begin < 0 || threads < 2 || threads > MOST_THREADS || step_work < 1) return -1;
  for (int32_t pc = begin; pc < end; pc += 2 + code[pc + 1]) {
    if (!pe_step_ok(code, pc, end)) return -1;
    int64_t one = pe_share_work(code[pc], code + pc + 2, code[pc + 1], threads);
    if (one < step_work) continue;
    int32_t scratch = pe_share_scratch(code[pc], code + pc + 2);
    work += one;
    most = scratch > most ? scratch : most;
  }
  return work < least_work || most > INT32_MAX - 64 ? -1 : (most + 63) / 64 * 64;
}

EXPORT void pe_crew_open(void *room, int32_t threads, const int32_t *code, uint8_t *arena, uint8_t *weights, uint8_t *private,
                         int32_t private_bytes, int32_t step_work) {
  crew *c = room;
  c->threads = threads, c->private_bytes = private_bytes, c->step_work = step_work > 0 ? step_work : 1;
  c->code = code, c->arena = arena, c->weights = weights, c->private = private;
}

EXPORT int32_t pe_crew_run(void *room, int32_t thread, int32_t begin, int32_t end) {
  crew *c = room;
  int32_t step = 0;
  int status = walk(c, thread, begin, end, &step);
  c->status[thread] = status == PE_OK ? PE_OK : -(status * 65536 + (step > 65535 ? 65535 : step));
  barrier(c, thread);
  if (LOAD(&c->lost)) return -(PE_LOST * 65536);
  for (int i = 0; i < c->threads; i++)
    if (c->status[i]) return c->status[i];
  return PE_OK;
}

EXPORT int32_t pe_crew_call(void *room, int32_t begin, int32_t end) {
  crew *c = room;
  c->begin = begin, c->end = end;
  count_up(c, &c->jobs);
  return pe_crew_run(room, 0, begin, end);
}

EXPORT void pe_crew_serve(void *room, int32_t thread) {
  crew *c = room;
  for (uint32_t job = 1;; job++) {
    wait_for(c, &c->jobs, job, IDLE_SPINS, 1);
    if (LOAD(&c->stop)) return;
    if (pe_crew_run(room, thread, c->begin, c->end) < 0 && LOAD(&c->lost)) return;
  }
}

EXPORT void pe_crew_lose(void *room) {
  crew *c = room;
  ADD(&c->lost, 1);
}

EXPORT void pe_crew_stop(void *room) {
  crew *c = room;
  __atomic_store_n(&c->stop, 1, __ATOMIC_SEQ_CST);
  count_up(c, &c->jobs);
}
