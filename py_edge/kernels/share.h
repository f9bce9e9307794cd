/* What crew.c asks of share.c: how much a step is worth, and one thread's share of it. Not part of the ABI. */
#ifndef PE_SHARE_H
#define PE_SHARE_H
#include "kernel.h"

/* The longest step that is cut, in words of params. */
enum { PE_SHARE_WORDS = 1024 };

/* About how many multiply-adds the step is worth to several threads; 0 when it cannot be cut into `threads` shares. */
int64_t pe_share_work(int32_t kernel, const int32_t *params, int32_t words, int32_t threads);
/* Bytes of scratch that each thread needs for itself. */
int32_t pe_share_scratch(int32_t kernel, const int32_t *params);
/* params becomes the share of `thread`; false when that is empty. Only for steps with pe_share_work > 0. */
int pe_share_take(int32_t kernel, int32_t *params, int32_t words, int32_t threads, int32_t thread);

#endif
