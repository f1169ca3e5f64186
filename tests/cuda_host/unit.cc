/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file of kernels, named by the build, as C++. */
#include SANA_CUDA_UNIT
