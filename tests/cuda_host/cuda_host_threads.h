/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What threads.cc offers to the other files of the device on the processor. */
#ifndef SANA_TESTS_CUDA_HOST_THREADS_H
#define SANA_TESTS_CUDA_HOST_THREADS_H

/* The number of this thread in its cluster of blocks. */
unsigned cuda_host_thread(void);

/* Where in another block of the cluster lies what lies here in the shared memory of this one. */
void *cuda_host_there(const void *here, unsigned block);

/* Lets others run; returns to look again whether what this thread waits for has come. */
void cuda_host_poll(void);

/* Something came that others may wait for. */
void cuda_host_progress(void);

/* Whether what may come early comes early now. */
bool cuda_host_eager(void);

/* tiles.cc: a block has ended. */
void cuda_host_tiles_end(void);

#endif
