/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Golden cases that run a network alone, without the pipelines. */
#ifndef SANA_TESTS_GOLDEN_NETWORK_H
#define SANA_TESTS_GOLDEN_NETWORK_H

#include "tests/golden.h"

/* The transformer of a GOLDEN_TRANSFORMER case in f32 on `device`: error of its output, and of its
 * inner tensors by `taps`. */
double golden_transformer_error(const Golden *g, const char *device, GoldenTaps *taps);

#endif
