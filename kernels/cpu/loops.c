/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels/cpu/loops.h"

#define NAME2(isa) #isa
#define NAME(isa) NAME2(isa)

const SanaCpuLoops LOOP(loops) = {
    .name = NAME(SANA_ISA),
    .finish = LOOP(finish),
    .depthwise = LOOP(depthwise),
    .glu_depthwise = LOOP(glu_depthwise),
    .enlarge = LOOP(enlarge),
    .spread = LOOP(spread),
    .winograd = LOOP(winograd),
    .strided = LOOP(strided),
    .linear_rows = LOOP(linear_rows),
    .quantise = LOOP(quantise),
    .linear_attention = LOOP(linear_attention),
    .attention = LOOP(attention),
    .rope = LOOP(rope),
    .norm = LOOP(norm),
    .norm_modulate = LOOP(norm_modulate),
    .add_gated = LOOP(add_gated),
    .add = LOOP(add),
    .mix = LOOP(mix),
    .geglu = LOOP(geglu),
    .embed_tokens = LOOP(embed_tokens),
    .pixel_unshuffle = LOOP(pixel_unshuffle),
    .pixel_shuffle = LOOP(pixel_shuffle),
    .add_unshuffled_mean = LOOP(add_unshuffled_mean),
    .add_shuffled_repeat = LOOP(add_shuffled_repeat),
    .image_load = LOOP(image_load),
    .image_store = LOOP(image_store),
    .video_load = LOOP(video_load),
    .video_store = LOOP(video_store),
};
