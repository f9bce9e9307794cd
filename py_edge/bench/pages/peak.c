/* The ceiling of one thread in WebAssembly: twelve independent chains in registers; and reading as many bytes as the
 * weights of 1280 x 1000.
 * Returns something of all chains, so that none is removed; flops per call: rounds * 12 * 4 lanes * 2. */
typedef float v4 __attribute__((vector_size(16)));

#define CHAINS 12
#define EACH for (int i = 0; i < CHAINS; i++)

static float total(const v4 *acc) {
  float sum = 0;
  for (int i = 0; i < CHAINS; i++) sum += acc[i][0] + acc[i][1] + acc[i][2] + acc[i][3];
  return sum;
}

float mul_add(int rounds, float a, float b) {
  v4 acc[CHAINS], x = {a, a, a, a}, y = {b, b, b, b};
  EACH acc[i] = x * (float)i;
  for (int r = 0; r < rounds; r++) EACH acc[i] = acc[i] * x + y;
  return total(acc);
}

float fma(int rounds, float a, float b) {
  v4 acc[CHAINS], x = {a, a, a, a}, y = {b, b, b, b};
  EACH acc[i] = x * (float)i;
  for (int r = 0; r < rounds; r++) EACH acc[i] = __builtin_wasm_relaxed_madd_f32x4(acc[i], x, y);
  return total(acc);
}

enum { READ_VECTORS = 1280 * 1000 / 4 };
v4 all[READ_VECTORS];

/* Bytes read: rounds * READ_VECTORS * 16. */
float read_all(int rounds) {
  v4 acc[8] = {{0}};
  for (int r = 0; r < rounds; r++)
    for (int i = 0; i < READ_VECTORS; i += 8)
      for (int j = 0; j < 8; j++) acc[j] += all[i + j];
  return acc[0][0] + acc[1][1] + acc[2][2] + acc[3][3] + acc[4][0] + acc[5][1] + acc[6][2] + acc[7][3];
}
