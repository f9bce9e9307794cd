/* A step cut into shares: the same kernel on fewer output rows, columns or batches, so no kernel knows of threads.
 *
 * An operand is a multiple of 16 bytes, so a cut falls where every moved operand stays one: `unit` counts the rows between
 * possible cuts. The scratch of a share lies in the thread's own space (PE_PRIVATE). A kernel without a row in this file is
 * done by one thread. */
#include "share.h"

enum { PE_PRIVATE = 3, NO_CUT = 0, LEAST_ROWS = 4 };

/* About how many multiply-adds of a product take as long as one tap, element, moved element or exponential. */
enum { PER_TAP = 3, PER_ELEMENT = 8, PER_MOVE = 16, PER_EXP = 32 };

/* How the step is cut: `total` rows, cuts at multiples of `unit`; 0 for none. */
typedef struct { int32_t total, unit; } cut;
typedef struct { int32_t from, count; } span;

static cut none(void) { return (cut){0, NO_CUT}; }

/* Images and paddings beyond this are refused by the kernels too. */
enum { LARGEST = 1 << 28 };

/* Rows between cuts so that `unit` rows of each stride (in bytes) are whole operands. */
static int32_t unit_of(const int64_t *strides, int n) {
  for (int32_t unit = 1; unit <= 16; unit *= 2) {
    int fits = 1;
    for (int i = 0; i < n; i++) fits &= strides[i] * unit % 16 == 0;
    if (fits) return unit;
  }
  return 16;
}
#define UNIT_OF(...) unit_of((const int64_t[]){__VA_ARGS__}, PE_COUNT(((const int64_t[]){__VA_ARGS__})))

static span share_of(cut c, int32_t threads, int32_t thread) {
  int64_t units = ((int64_t)c.total + c.unit - 1) / c.unit;
  int64_t from = units * thread / threads * c.unit, end = units * (thread + 1) / threads * c.unit;
  if (end > c.total) end = c.total;
  if (from > end) from = end;
  return (span){(int32_t)from, (int32_t)(end - from)};
}

static int32_t moved(int32_t operand, int64_t bytes) { return operand == PE_NONE ? operand : (int32_t)(operand + bytes); }

static int32_t own_scratch(int32_t operand, int32_t thread) {
  return operand == PE_NONE || thread == 0 ? operand : PE_PRIVATE;
}

/* Products. */

enum { BATCHES = 0, ROWS = 3, COLUMNS = 4 };

/* Which dimension is cut: 0..2 of the batch, rows, or the columns of a single row. */
static int matmul_way(const pe_matmul *p) {
  for (int i = 0; i < 3; i++)
    if (p->batch[i] > 1) return BATCHES + i;
  return p->M == 1 ? COLUMNS : ROWS;
}

static int64_t after(const pe_matmul *p, int way) {
  int64_t count = (int64_t)p->M * p->N;
  for (int i = way + 1; i < 3; i++) count *= p->batch[i];
  return count;
}

static cut matmul_cut(const int32_t *params, int32_t words) {
  const pe_matmul *p = (const pe_matmul *)params;
  if (!SIZES_OK(0, p->batch[0], p->batch[1], p->batch[2], p->M, p->N) || !SIZES_OK(0, p->M, p->K) || !SIZES_OK(0, p->N, p->K))
    return none();
  int way = matmul_way(p);
  if (way == COLUMNS) return (cut){p->N, NR};
  if (way == ROWS) {
    int32_t unit = UNIT_OF(4 * (int64_t)p->a_row, 4 * (int64_t)p->N);
    return p->M >= 16 * MR * unit ? (cut){p->M, unit * MR} : (cut){p->M / LEAST_ROWS < 2 ? 0 : p->M, unit};
  }
  return (cut){p->batch[way], UNIT_OF(4 * after(p, way), 4 * (int64_t)p->a_batch[way], 4 * (int64_t)p->b_batch[way])};
}

static void matmul_share(int32_t *params, span s, int32_t thread) {
  pe_matmul *p = (pe_matmul *)params;
  int way = matmul_way(p);
  int64_t from = s.from, y, a = 0, b = 0;
  if (way == COLUMNS) {
    y = from;
    b = from * (p->b_packed ? p->K : p->b_col);
    p->bias = moved(p->bias, 4 * from);
    p->N = s.count;
  } else if (way == ROWS) {
    y = from * p->N;
    a = from * p->a_row;
    p->M = s.count;
  } else {
    y = from * after(p, way);
    a = from * p->a_batch[way];
    b = from * p->b_batch[way];
    p->batch[way] = s.count;
  }
  p->y = moved(p->y, 4 * y), p->residual = moved(p->residual, 4 * y);
  p->a = moved(p->a, 4 * a), p->b = moved(p->b, 4 * b);
  p->scratch = own_scratch(p->scratch, thread);
}

static int64_t matmul_work(const int32_t *params) {
  const pe_matmul *p = (const pe_matmul *)params;
  return (int64_t)p->batch[0] * p->batch[1] * p->batch[2] * p->M * p->N * p->K;
}

/* Windows over images: by images where there are several, else by output rows. */

typedef struct {
  int32_t *y, *x, *residual, *N, *H, *OH, *PT;
  int32_t W, C, OW, O, SH;
} windows;

static cut windows_cut(const windows *w) {
  if (!SIZES_OK(0, *w->N, *w->H, w->W, w->C) || !SIZES_OK(0, *w->N, *w->OH, w->OW, w->O)) return none();
  if (w->SH < 1 || w->SH > LARGEST || *w->PT < 0 || *w->PT > LARGEST) return none();
  int64_t row_x = 4 * (int64_t)w->W * w->C, row_y = 4 * (int64_t)w->OW * w->O;
  if (*w->N > 1) return (cut){*w->N, UNIT_OF(row_x * *w->H, row_y * *w->OH)};
  int64_t last_origin = ((int64_t)*w->OH - 1) * w->SH - *w->PT;
  return row_x * *w->PT % 16 || last_origin >= *w->H ? none() : (cut){*w->OH, UNIT_OF(row_x * w->SH, row_y)};
}

static void windows_share(const windows *w, span s) {
  int64_t row_x = 4 * (int64_t)w->W * w->C, row_y = 4 * (int64_t)w->OW * w->O, x, y;
  if (*w->N > 1) {
    x = s.from * row_x * *w->H;
    y = s.from * row_y * *w->OH;
    *w->N = s.count;
  } else {
    int32_t origin = s.from * w->SH - *w->PT, above = origin > 0 ? origin : 0;
    x = above * row_x;
    y = s.from * row_y;
    *w->PT = above - origin;
    *w->H -= above;
    *w->OH = s.count;
  }
  *w->x = moved(*w->x, x), *w->y = moved(*w->y, y);
  if (w->residual) *w->residual = moved(*w->residual, y);
}

/* `after`: what else the share needs, e.g. scratch; one multiply-add of these counts `weight`. */
#define WINDOWS(name, type, residual_at, channels, weight, inputs, after)                                                   \
  static windows name##_windows(type *p) {                                                                                  \
    return (windows){&p->y, &p->x, residual_at, &p->N, &p->H, &p->OH, &p->PT, p->W, p->C, p->OW, channels, p->SH};           \
  }                                                                                                                         \
  static cut name##_cut(const int32_t *params, int32_t words) {                                                             \
    type *p = (type *)params;                                                                                               \
    windows w = name##_windows(p);                                                                                          \
    return SIZES_OK(1, p->KH, p->KW, inputs) ? windows_cut(&w) : none();                                                    \
  }                                                                                                                         \
  static void name##_share(int32_t *params, span s, int32_t thread) {                                                       \
    type *p = (type *)params;                                                                                               \
    windows w = name##_windows(p);                                                                                          \
    windows_share(&w, s);                                                                                                   \
    after;                                                                                                                  \
  }                                                                                                                         \
  static int64_t name##_work(const int32_t *params) {                                                                       \
    const type *p = (const type *)params;                                                                                   \
    return (int64_t)p->N * p->OH * p->OW * (channels) * p->KH * p->KW * (inputs) * (weight);                                \
  }
/* clang-format off */
WINDOWS(conv2d, pe_conv2d, &p->residual, p->O, 1, p->C / (p->groups > 0 ? p->groups : 1), p->scratch = own_scratch(p->scratch, thread))
WINDOWS(depthwise, pe_depthwise_conv2d, &p->residual, p->C * p->M, PER_TAP, 1, (void)0)
WINDOWS(pool2d, pe_pool2d, 0, p->C, PER_TAP, 1, (void)0)
/* clang-format on */

/* Tiles are two rows high, and stay the same tiles. */
static cut winograd_cut(const int32_t *params, int32_t words) {
  cut c = conv2d_cut(params, words);
  return c.unit == 1 && ((const pe_conv2d *)params)->N == 1 ? (cut){c.total, 2} : c;
}

/* Elementwise and copies: the outermost axis that is longer than 1. */

static int outermost(const int32_t *shape, int32_t rank) {
  for (int i = 0; i < rank && i < PE_MAX_RANK; i++)
    if (shape[i] > 1) return i;
  return -1;
}

static int64_t inner_of(const int32_t *shape, int32_t rank, int axis) {
  int64_t inner = 1;
  for (int i = axis + 1; i < rank; i++) inner *= shape[i];
  return inner;
}

static int type_bytes(int32_t type) { return type == PE_BOOL ? 1 : 4; }

static int elementwise_ok(const pe_elementwise *e, int32_t words) {
  if (e->rank < 0 || e->rank > PE_MAX_RANK || e->n_in < 0 || e->n_out < 0 || e->n_in > 16 || e->n_out > 16) return 0;
  if (!sizes_ok(e->shape, e->rank, 0)) return 0;
  return words >= (int64_t)(sizeof(*e) + e->n_in * sizeof(pe_chain_input) + e->n_out * sizeof(pe_chain_output)) / 4;
}

/* Tiles of 256 elements stay whole where the walk is flat. */
static cut elementwise_cut(const int32_t *params, int32_t words) {
  const pe_elementwise *e = (const pe_elementwise *)params;
  if (!elementwise_ok(e, words)) return none();
  int axis = outermost(e->shape, e->rank);
  if (axis < 0) return none();
  int64_t inner = inner_of(e->shape, e->rank, axis);
  if (inner == 1) return (cut){e->shape[axis], 256};
  const pe_chain_input *in = (const pe_chain_input *)(e + 1);
  int32_t unit = UNIT_OF(inner);
  for (int i = 0; i < e->n_in; i++) {
    int32_t fits = UNIT_OF((int64_t)in[i].stride[axis] * type_bytes(in[i].type));
    if (fits > unit) unit = fits;
  }
  return (cut){e->shape[axis], unit};
}

static void elementwise_share(int32_t *params, span s, int32_t thread) {
  pe_elementwise *e = (pe_elementwise *)params;
  int axis = outermost(e->shape, e->rank);
  int64_t inner = inner_of(e->shape, e->rank, axis);
  pe_chain_input *in = (pe_chain_input *)(e + 1);
  pe_chain_output *out = (pe_chain_output *)(in + e->n_in);
  for (int i = 0; i < e->n_in; i++)
    in[i].src = moved(in[i].src, (int64_t)s.from * in[i].stride[axis] * type_bytes(in[i].type));
  for (int i = 0; i < e->n_out; i++) out[i].dst = moved(out[i].dst, s.from * inner * type_bytes(out[i].type));
  e->shape[axis] = s.count;
}

static int64_t elementwise_work(const int32_t *params) {
  const pe_elementwise *e = (const pe_elementwise *)params;
  return inner_of(e->shape, e->rank, -1) * PER_ELEMENT * ((int64_t)e->n_code + 1);
}

static cut copy_cut(const int32_t *params, int32_t words) {
  const pe_copy *c = (const pe_copy *)params;
  if (c->rank < 0 || c->rank > PE_MAX_RANK || !sizes_ok(c->shape, c->rank, 0)) return none();
  int axis = outermost(c->shape, c->rank);
  return axis < 0 ? none() : (cut){c->shape[axis], 1};
}

static void copy_share(int32_t *params, span s, int32_t thread) {
  pe_copy *c = (pe_copy *)params;
  int axis = outermost(c->shape, c->rank);
  c->dst_offset += s.from * c->dst_stride[axis], c->src_offset += s.from * c->src_stride[axis];
  c->shape[axis] = s.count;
}

static int64_t copy_work(const int32_t *params) {
  const pe_copy *c = (const pe_copy *)params;
  return inner_of(c->shape, c->rank, -1) * PER_MOVE;
}

/* Rows of x and y that lie one after the other. */
#define ROWS_OF(name, type, rows, x_bytes, y_bytes, weight, sizes)                                     \
  static cut name##_cut(const int32_t *params, int32_t words) {                                        \
    const type *p = (const type *)params;                                                              \
    return sizes ? (cut){p->rows, UNIT_OF((int64_t)(x_bytes), (int64_t)(y_bytes))} : none();           \
  }                                                                                                    \
  static void name##_share(int32_t *params, span s, int32_t thread) {                                  \
    type *p = (type *)params;                                                                          \
    p->x = moved(p->x, (int64_t)s.from * (x_bytes)), p->y = moved(p->y, (int64_t)s.from * (y_bytes));  \
    p->rows = s.count;                                                                                 \
  }                                                                                                    \
  static int64_t name##_work(const int32_t *params) {                                                  \
    const type *p = (const type *)params;                                                              \
    return (int64_t)p->rows * (x_bytes) * (weight) / 4;                                                \
  }
ROWS_OF(softmax, pe_softmax, rows, 4 * p->n, 4 * p->n, PER_EXP, SIZES_OK(0, p->rows, p->n, 4))
ROWS_OF(normalize, pe_normalize, rows, 4 * p->n, 4 * p->n, PER_MOVE, SIZES_OK(0, p->rows, p->n, 4))
ROWS_OF(reduce, pe_reduce, outer, type_bytes(p->type) * p->n * p->inner, type_bytes(p->kind > 6 ? PE_I32 : p->type) * p->inner,
        PER_ELEMENT, SIZES_OK(0, p->outer, p->n, p->inner, 4))

/* Adam: blocks of 256 elements. */
static cut adam_cut(const int32_t *params, int32_t words) {
  const pe_adam *p = (const pe_adam *)params;
  return SIZES_OK(0, p->n) ? (cut){p->n, 256} : none();
}

static void adam_share(int32_t *params, span s, int32_t thread) {
  for (int i = 0; i < 7; i++) params[i] = moved(params[i], 4 * (int64_t)s.from);
  ((pe_adam *)params)->n = s.count;
}

static int64_t adam_work(const int32_t *params) { return (int64_t)((const pe_adam *)params)->n * PER_EXP; }

typedef struct {
  cut (*cut)(const int32_t *params, int32_t words);
  void (*share)(int32_t *params, span s, int32_t thread);
  int64_t (*work)(const int32_t *params);
} row;

#define ROW(name) {name##_cut, name##_share, name##_work}
static const row rows[PE_KERNEL_COUNT] = {
  [PE_MATMUL] = ROW(matmul), [PE_CONV2D] = ROW(conv2d), [PE_DEPTHWISE_CONV2D] = ROW(depthwise), [PE_POOL2D] = ROW(pool2d),
  [PE_ELEMENTWISE] = ROW(elementwise), [PE_COPY] = ROW(copy), [PE_SOFTMAX] = ROW(softmax), [PE_NORMALIZE] = ROW(normalize),
  [PE_REDUCE] = ROW(reduce), [PE_ADAM] = ROW(adam), [PE_CONV2D_WINOGRAD] = {winograd_cut, conv2d_share, conv2d_work},
};

int64_t pe_share_work(int32_t kernel, const int32_t *params, int32_t words, int32_t threads) {
  if (!rows[kernel].cut || words > PE_SHARE_WORDS) return 0;
  cut c = rows[kernel].cut(params, words);
  return c.unit > 0 && c.total / c.unit >= threads ? rows[kernel].work(params) : 0;
}

int32_t pe_share_scratch(int32_t kernel, const int32_t *params) {
  int32_t bytes = kernel == PE_MATMUL   ? ((const pe_matmul *)params)->scratch_bytes
                  : kernel == PE_CONV2D || kernel == PE_CONV2D_WINOGRAD ? ((const pe_conv2d *)params)->scratch_bytes
                                                                        : 0;
  return bytes > 0 ? bytes : 0;
}

int pe_share_take(int32_t kernel, int32_t *params, int32_t words, int32_t threads, int32_t thread) {
  span s = share_of(rows[kernel].cut(params, words), threads, thread);
  if (s.count > 0) rows[kernel].share(params, s, thread);
  return s.count > 0;
}
