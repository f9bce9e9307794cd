/* The whole ABI: what a plan's code says and what an executor exports. The same for native and WebAssembly.
 *
 * Code is a flat array of int32 words, step after step: [kernel, words, params...], `words` counting the params.
 * A param is an int32, a float's bits, or an operand: a byte offset, a multiple of 16, plus the space in its two low
 * bits (arena, weights, blob; NONE = -1). Each struct below is one kernel's params in order; every field is int32_t.
 * Kernels write outputs, read inputs, allocate nothing, do no I/O, call no libc; outputs never overlap inputs unless said.
 * plan/step_*.py pack these structs; tests/kernels hold both sides together. float32 unless said. Images NHWC.
 */
#ifndef PE_H
#define PE_H
#include <stdint.h>

#define PE_ABI_VERSION 3
#define PE_MAX_RANK 8

enum pe_space { PE_ARENA = 0, PE_WEIGHTS = 1, PE_BLOB = 2 };
enum pe_type { PE_F32 = 0, PE_I32 = 1, PE_BOOL = 2 };

/* pe_run returns PE_OK or -(status * 65536 + index of the step within the range, at most 65535). */
enum pe_status { PE_OK = 0, PE_BAD_CODE = 1, PE_BAD_INDEX = 2, PE_BAD_PARAM = 3, PE_LOOP_LIMIT = 4, PE_LOST = 5 };

/* Scratch of product steps in floats, the same for every build (plan/abi.py computes the same): A blocks of 64 rows,
 * and the packed B where it is not packed at init. K = KH KW C / groups, N = O / groups for convolutions. */
#define PE_ROUND32(n) (((n) + 31) / 32 * 32)
#define PE_SCRATCH_PACKED(K) (64 * (K))
#define PE_SCRATCH_UNPACKED(K, N) (64 * (K) + (K) * PE_ROUND32(N))
#define PE_SCRATCH_INPUT_GRAD(K, N) (64 * ((N) + PE_ROUND32(K)) + (N) * PE_ROUND32(K))
#define PE_SCRATCH_FILTER_GRAD(K, N) (256 * ((K) + PE_ROUND32(N)))

/* Winograd: inputs and sums of at most PE_WINOGRAD_TILES tiles of 2 x 2 outputs. */
#define PE_WINOGRAD_TILES 60
#define PE_SCRATCH_WINOGRAD(tiles, C, O) (16 * ((tiles) < PE_WINOGRAD_TILES ? (tiles) : PE_WINOGRAD_TILES) * ((C) + (O)))

enum pe_kernel {
  PE_COPY = 1, PE_FILL, PE_ELEMENTWISE, PE_PACK_B, PE_MATMUL, PE_CONV2D, PE_DEPTHWISE_CONV2D, PE_POOL2D, PE_POOL2D_GRAD,
  PE_CONV2D_INPUT_GRAD, PE_CONV2D_FILTER_GRAD, PE_DEPTHWISE_INPUT_GRAD, PE_DEPTHWISE_FILTER_GRAD,
  PE_REDUCE, PE_CUMULATE, PE_SOFTMAX, PE_TOP_K, PE_GATHER, PE_SCATTER_ADD, PE_RESIZE, PE_RESIZE_GRAD, PE_RANDOM,
  PE_SCAN, PE_COND, PE_WHILE, PE_NORMALIZE, PE_PACK_WINOGRAD, PE_CONV2D_WINOGRAD, PE_ADAM,
  PE_KERNEL_COUNT
};

/* Unary functions: opcodes of elementwise chains and activations of product epilogues. `alpha` where it says so. */
enum pe_unary {
  PE_U_COPY = 0, PE_U_NEG, PE_U_ABS, PE_U_SIGN, PE_U_FLOOR, PE_U_CEIL, PE_U_ROUND /* half to even */, PE_U_SQRT, PE_U_RSQRT,
  PE_U_RECIPROCAL, PE_U_SQUARE, PE_U_EXP, PE_U_EXPM1, PE_U_LOG, PE_U_LOG1P, PE_U_SIN, PE_U_COS, PE_U_TAN, PE_U_ASIN,
  PE_U_ACOS, PE_U_ATAN, PE_U_SINH, PE_U_COSH, PE_U_TANH, PE_U_ASINH, PE_U_ACOSH, PE_U_ATANH, PE_U_ERF, PE_U_SIGMOID,
  PE_U_SOFTPLUS, PE_U_SOFTSIGN, PE_U_RELU, PE_U_RELU6, PE_U_ELU /* alpha */, PE_U_SELU, PE_U_LEAKY_RELU /* alpha */,
  PE_U_HARD_SIGMOID /* clip(x / 5 + 1 / 2, 0, 1) */, PE_U_HARD_SWISH /* x relu6(x + 3) / 6 */, PE_U_SWISH, PE_U_GELU /* erf */,
  PE_U_GELU_TANH, PE_U_MISH, PE_U_STEP /* x > 0 ? 1 : alpha; NaN stays */, PE_UNARY_COUNT
};

/* Further opcodes of elementwise chains. Registers are 32 bit lanes: float, int32, or bool as int32 0 or 1.
 * F_ on floats, I_ on int32. Compares give bool. Integer division and remainder by zero give 0. */
enum pe_chain {
  PE_F_ADD = 64, PE_F_SUB, PE_F_MUL, PE_F_DIV, PE_F_FLOOR_DIV, PE_F_MOD /* sign of divisor */, PE_F_TRUNC_MOD, PE_F_MAX,
  PE_F_MIN /* both let NaN through */, PE_F_POW, PE_F_ATAN2, PE_F_SQUARED_DIFFERENCE, PE_F_DIV_NO_NAN, PE_F_PRELU /* a > 0 ? a : a b */,
  PE_F_EQ, PE_F_NE, PE_F_LT, PE_F_LE, PE_F_GT, PE_F_GE, PE_F_IS_NAN, PE_F_IS_INF, PE_F_IS_FINITE,
  PE_I_ADD = 96, PE_I_SUB, PE_I_MUL, PE_I_TRUNC_DIV, PE_I_FLOOR_DIV, PE_I_MOD, PE_I_TRUNC_MOD, PE_I_MAX, PE_I_MIN, PE_I_POW,
  PE_I_SQUARED_DIFFERENCE, PE_I_AND, PE_I_OR, PE_I_XOR, PE_I_SHL, PE_I_SHR /* arithmetic */, PE_I_NEG, PE_I_ABS, PE_I_SIGN,
  PE_I_SQUARE, PE_I_EQ, PE_I_NE, PE_I_LT, PE_I_LE, PE_I_GT, PE_I_GE, PE_I_NOT /* bool: 1 - a */,
  PE_SELECT = 124 /* c ? a : b, c in the extra word */, PE_CONST /* bits in a */, PE_F2I /* towards zero, saturating, NaN 0 */,
  PE_I2F, PE_F2B /* a != 0 */, PE_I2B
};

/* dst[...] = src[...], both strided, strides and offsets in elements of `bytes` 1, 4 or 8 bytes. Transpose, slice,
 * reverse, broadcast (stride 0), and the pieces of concat, pad and tile. */
typedef struct { int32_t dst, src, bytes, rank, shape[8], dst_offset, dst_stride[8], src_offset, src_stride[8]; } pe_copy;

/* n elements of `bytes` 1 or 4 bytes set to `bits`. */
typedef struct { int32_t dst, n, bytes, bits; } pe_fill;

/* A chain of elementwise instructions over broadcast inputs. Then follow n_in pe_chain_input, n_out pe_chain_output,
 * n_code pe_chain_code. Registers 0..n_in-1 are the inputs. Outputs are contiguous over `shape` and may be the very
 * buffer of an input that is contiguous over `shape` too (element i reads before it writes). At most 16 registers in use:
 * `registers` of them. Unary opcodes take float alpha bits in b. */
typedef struct { int32_t rank, shape[8], n_in, n_out, n_code, registers; } pe_elementwise;
typedef struct { int32_t src, type, stride[8]; } pe_chain_input;
typedef struct { int32_t dst, type, reg; } pe_chain_output;
typedef struct { int32_t op, reg, a, b, extra; } pe_chain_code;

/* Init only: b (K, N) with element strides -> panels of pe_panel() columns, each K x panel, zero padded; (groups) of them.
 * Size of one packed matrix: ceil(N / panel) * panel * K floats. PE_PACK_WINOGRAD has the same params, groups 9 (the taps
 * of w (3, 3, C, O)), and makes 16 packed matrices (C, O). */
typedef struct { int32_t dst, src, groups, src_group_stride, K, N, row_stride, col_stride; } pe_pack_b;

/* y (batch.., M, N) = act(a x b + bias) + residual, then act if act_last. a: element (m, k) at m a_row + k a_col; b alike
 * (k, n) or packed by PE_PACK_B (b_packed, then b_batch strides count floats of packed matrices). bias: NONE, or one float
 * per column. residual: NONE or shape of y. scratch: pe_scratch bytes below, or NONE when scratch_bytes is 0. */
typedef struct {
  int32_t y, a, b, bias, residual, scratch, scratch_bytes, M, N, K, a_row, a_col, b_row, b_col, b_packed;
  int32_t batch[3], a_batch[3], b_batch[3], act, alpha, residual_before_act;
} pe_matmul;

/* y (N, OH, OW, O) = act(conv(x (N, H, W, C), w) + bias) + residual. w packed by PE_PACK_B as `groups` matrices
 * (KH KW C / groups, O / groups). Padding top and left; what lies outside is zero. PE_CONV2D_WINOGRAD has the same params,
 * w packed by PE_PACK_WINOGRAD: 3 x 3, stride, dilation and groups 1, C and O multiples of 16. */
typedef struct {
  int32_t y, x, w, bias, residual, scratch, scratch_bytes, N, H, W, C, OH, OW, O, KH, KW, SH, SW, DH, DW, PT, PL, groups;
  int32_t act, alpha, residual_before_act;
} pe_conv2d;

/* y (N, OH, OW, C M) from x (N, H, W, C), w (KH, KW, C, M) unpacked. */
typedef struct {
  int32_t y, x, w, bias, residual, N, H, W, C, M, OH, OW, KH, KW, SH, SW, DH, DW, PT, PL, act, alpha, residual_before_act;
} pe_depthwise_conv2d;

/* kind 0 max, 1 average over what lies inside the input. */
typedef struct { int32_t y, x, kind, N, H, W, C, OH, OW, KH, KW, SH, SW, DH, DW, PT, PL; } pe_pool2d;
/* dx from x (max only, else NONE), dy; the first maximum of a window gets the gradient. dx is set, not added to. */
typedef struct { int32_t dx, x, dy, kind, N, H, W, C, OH, OW, KH, KW, SH, SW, DH, DW, PT, PL; } pe_pool2d_grad;

/* dx (N, H, W, C) from dy (N, OH, OW, O) and w (KH, KW, C / groups, O) unpacked; dw alike from x and dy. Both are set.
 * Scratch as told by scratch_bytes (im2col rows, packed panels). Also the forward of transposed convolutions. */
typedef struct {
  int32_t out, in0, in1, scratch, scratch_bytes, N, H, W, C, OH, OW, O, KH, KW, SH, SW, DH, DW, PT, PL, groups;
} pe_conv2d_grad; /* input_grad: out dx, in0 dy, in1 w; filter_grad: out dw, in0 x, in1 dy */
typedef struct {
  int32_t out, in0, in1, N, H, W, C, M, OH, OW, KH, KW, SH, SW, DH, DW, PT, PL;
} pe_depthwise_grad; /* the same order; w (KH, KW, C, M), dy (N, OH, OW, C M) */

/* x (outer, n, inner) -> y (outer, inner). kinds: 0 sum 1 mean 2 prod 3 max 4 min 5 any 6 all 7 argmax 8 argmin.
 * type of x: PE_F32 or PE_I32 (0..4, 7, 8; sums of int32 wrap), PE_BOOL (5, 6). argmax gives int32, the first wins. */
typedef struct { int32_t y, x, kind, type, outer, n, inner; } pe_reduce;
/* Running sum (0) or product (1) along n. exclusive: shifted by one; reverse: from the end. f32 or i32. */
typedef struct { int32_t y, x, kind, type, outer, n, inner, exclusive, reverse; } pe_cumulate;
/* Rows of n: softmax, or log_softmax when log. In place allowed. */
typedef struct { int32_t y, x, rows, n, log; } pe_softmax;
/* Rows of n: y = (x - mean) / sqrt(var + epsilon) * scale + offset; scale, offset (n) or NONE; rms: no mean taken off. */
typedef struct { int32_t y, x, scale, offset, rows, n, epsilon, rms; } pe_normalize;
/* Rows of n (f32 or i32): the k largest, falling; the lower index first among equals. scratch: n * 4 bytes. */
typedef struct { int32_t values, indices, x, scratch, type, rows, n, k; } pe_top_k;

/* x (batch, outer, axis, inner), indices (batch, count) int32 -> y (batch, outer, count, inner), elements of `bytes`.
 * An index outside 0..axis-1: PE_BAD_INDEX, or, when clip is 1, zeros. */
typedef struct { int32_t y, x, indices, bytes, batch, outer, axis, inner, count, clip; } pe_gather;
/* The gradient of gather: y (batch, outer, axis, inner) set to zero, then rows of u (batch, outer, count, inner) added. */
typedef struct { int32_t y, u, indices, type, batch, outer, axis, inner, count, clip; } pe_scatter_add;

/* method 0 nearest, 1 bilinear; flags 1 align_corners, 2 half_pixel (TensorFlow's ResizeBilinear, ResizeNearestNeighbor). */
typedef struct { int32_t y, x, N, H, W, C, OH, OW, method, flags; } pe_resize; /* grad: y = dx (N, H, W, C), x = dy */

/* n floats from (seed, *counter): kind 0 uniform [0, 1), 1 normal, 2 bernoulli (alpha = probability of 1.0). Element i is
 * a pure function of (seed, counter, i): squares of Widynski 2020, the same everywhere. */
typedef struct { int32_t y, counter, seed, n, kind, alpha; } pe_random;

/* One step of Adam over n weights: m += (gradient - m) rate_m, v += (gradient^2 - v) rate_v, then
 * weight -= m step_size / (sqrt(v) + epsilon). weight, m, v are written and may each be the very buffer of an input of n
 * (element i reads before it writes); step_size and epsilon lie in memory; rate_m, rate_v are the bits of 1 - beta. */
typedef struct {
  int32_t weight, m, v, old_weight, gradient, old_m, old_v, step_size, epsilon, n, rate_m, rate_v;
} pe_adam;

/* Control: sub-ranges of the same code array, [begin, end) in words. Moves are plain byte copies.
 * scan: for t in 0..length-1 (backwards when reverse): load each scanned slice, run the body, store each row, then copy
 * each carry's result onto the carry. Then follow n_in pe_scan_move (src advances), n_out (dst advances), n_carry (neither).
 * cond: *pred ? then : else. while: run cond; while *flag: run body, do the carry moves; at most max_steps. */
typedef struct { int32_t length, reverse, begin, end, n_in, n_out, n_carry; } pe_scan;
typedef struct { int32_t dst, src, bytes, step; } pe_move; /* step: bytes by which the outer side advances per t */
typedef struct { int32_t pred, then_begin, then_end, else_begin, else_end; } pe_cond;
typedef struct { int32_t flag, cond_begin, cond_end, body_begin, body_end, max_steps, n_carry; } pe_while;

/* Everything that an executor exports. */
int32_t pe_abi_version(void);
/* Columns of a packed panel: 8 in WebAssembly, 16 with AVX2, 32 with AVX-512. */
int32_t pe_panel(void);
/* Run code words [begin, end). blob may be null after init. */
int32_t pe_run(const int32_t *code, int32_t begin, int32_t end, uint8_t *arena, uint8_t *weights, const uint8_t *blob);

/* Several threads on one plan (crew.c); `crew` is PE_CREW_BYTES of zeroed memory, aligned to 64. A step with less than
 * step_work multiply-adds (60000 take about 2 us), or about as much, is not cut.
 * private: bytes of scratch that each thread but the first needs for this range; -1 where less than least_work
 * multiply-adds, or about as much, can be shared. */
#define PE_CREW_BYTES 512
int32_t pe_crew_private(const int32_t *code, int32_t begin, int32_t end, int32_t threads, int32_t step_work,
                        int32_t least_work);
void pe_crew_open(void *crew, int32_t threads, const int32_t *code, uint8_t *arena, uint8_t *weights, uint8_t *private_space,
                  int32_t private_bytes, int32_t step_work);
/* One thread's part of a run; every thread 0..threads-1 calls it with the same range. To thread 0: status as of pe_run. */
int32_t pe_crew_run(void *crew, int32_t thread, int32_t begin, int32_t end);
/* WebAssembly: thread 0 calls, the others serve until stopped. */
int32_t pe_crew_call(void *crew, int32_t begin, int32_t end);
void pe_crew_serve(void *crew, int32_t thread);
void pe_crew_stop(void *crew);
/* A thread that cannot go on says so: the run ends with PE_LOST, as it does when thread 0 has waited for seconds. The
 * arena may then still be written to; whoever goes on does so in another. */
void pe_crew_lose(void *crew);

#endif
