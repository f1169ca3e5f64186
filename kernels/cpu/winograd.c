/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 3×3 convolutions of stride 1 with a quarter of the products, which are f32 whatever the maps are:
 * Winograd's F(4×4, 3×3) as in Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"
 * (2015), section 4.3.
 *
 * A tile of 4×4 outputs comes from a window d of 6×6 inputs, y = Aᵀ((G g Gᵀ) ∘ (Bᵀ d B))A for each
 * pair of channels; over all of them each of the 36 points of that is a matrix product.  A thread
 * takes some tiles from windows to outputs while they are in its cache.
 *
 * The window of an enlarged map repeats its rows, (a, b, b, c, c, d), and so the row of Bᵀ d for
 * the point −1 is nothing but zeros, and so is the column.  They are the last ones here, where the
 * paper has them third: what is left are the first 5×5 of 6×6 points.
 */
#include "kernels/cpu/vec.h"

#include <omp.h>

#define SIDE SANA_CPU_WINDOW /* of a window */
#define OUTS SANA_CPU_TILE   /* of a tile, each way */
#define INPUTS (SIDE * SIDE)

typedef struct {
    SanaTensor y, x;
    const SanaConv *k;
    const float *points;
    SanaAct act;
    int across, tiles, step; /* tiles in a row of them, in all, at once */
} Job;

/* Bᵀ times six vectors that lie `apart`. */
INLINE void
window_pass(Vec *d, const int apart)
{
    Vec d1 = d[apart], d2 = d[2 * apart], d3 = d[3 * apart], d4 = d[4 * apart];
    Vec even = d4 - 4 * d2, odd = d3 - 4 * d1, even2 = d4 - d2, odd2 = 2 * (d3 - d1);
    d[0] = 4 * d[0] - 5 * d2 + d4;
    d[apart] = even + odd;
    d[2 * apart] = even2 + odd2;
    d[3 * apart] = even2 - odd2;
    d[4 * apart] = 4 * d1 - 5 * d3 + d[5 * apart];
    d[5 * apart] = even - odd;
}

/* Aᵀ times six vectors that lie `apart`, to the first four. */
INLINE void
result_pass(Vec *m, const int apart)
{
    Vec sum = m[apart] + m[5 * apart], difference = m[apart] - m[5 * apart];
    Vec sum2 = m[2 * apart] + m[3 * apart], difference2 = m[2 * apart] - m[3 * apart];
    m[0] = m[0] + sum + sum2;
    m[apart] = difference + 2 * difference2;
    m[2 * apart] = sum + 4 * sum2;
    m[3 * apart] = difference + 8 * difference2 + m[4 * apart];
}

/* Where the inputs of a tile's window lie; zeros outside the map. */
INLINE void
find_window(const char *from[INPUTS], const Job *j, int tile, const void *zeros)
{
    int top = tile / j->across * OUTS - 1, left = tile % j->across * OUTS - 1;
    for (int i = 0; i < INPUTS; i++) {
        int r = (top + i / SIDE) >> (j->k->upsample - 1);
        int c = (left + i % SIDE) >> (j->k->upsample - 1);
        bool inside = r >= 0 && r < j->x.h && c >= 0 && c < j->x.w && tile < j->tiles;
        from[i] = inside ? address(j->x, (size_t)r * (size_t)j->x.w + (size_t)c, 0) : zeros;
    }
}

/* Bᵀ d B of a tile, side × side points of it, to v, points v_point apart. */
INLINE void
transform_window(float *v, size_t v_point, const Job *j, int tile, const void *zeros,
                 const int side, const SanaDType dtype)
{
    const size_t element = sana_dtype_size(dtype);
    const char *from[INPUTS];
    find_window(from, j, tile, zeros);
    for (int ch = 0; ch < j->x.c; ch += LANES) {
        Vec d[INPUTS];
#pragma GCC unroll 6
        for (int c = 0; c < SIDE; c++) {
#pragma GCC unroll 6
            for (int r = 0; r < SIDE; r++)
                d[r * SIDE + c] = vec_read(from[r * SIDE + c] + (size_t)ch * element, dtype, LANES);
            window_pass(d + c, SIDE);
        }
#pragma GCC unroll 6
        for (int r = 0; r < side; r++) {
            window_pass(d + r * SIDE, 1);
#pragma GCC unroll 6
            for (int c = 0; c < side; c++)
                vec_store(v + (size_t)(r * side + c) * v_point + ch, d[r * SIDE + c]);
        }
    }
}

/* Aᵀ m A of a tile, m of side × side points, and what follows to y; points m_point apart. */
INLINE void
transform_results(const Job *j, int tile, const float *m, size_t m_point, const int side,
                  const SanaDType dtype)
{
    const size_t position = (size_t)j->y.stride * sana_dtype_size(dtype);
    int top = tile / j->across * OUTS, left = tile % j->across * OUTS;
    int rows = j->y.h - top < OUTS ? j->y.h - top : OUTS;
    int columns = j->y.w - left < OUTS ? j->y.w - left : OUTS;
    const float *bias = j->k->bias.data;
    for (int ch = 0; ch < j->y.c; ch += LANES) {
        Vec d[INPUTS] = {0}, b = bias ? vec_load(bias + ch) : (Vec){0};
#pragma GCC unroll 6
        for (int c = 0; c < side; c++) {
#pragma GCC unroll 6
            for (int r = 0; r < side; r++)
                d[r * SIDE + c] = vec_load(m + (size_t)(r * side + c) * m_point + ch);
            result_pass(d + c, SIDE);
        }
#pragma GCC unroll 4
        for (int r = 0; r < OUTS; r++) {
            result_pass(d + r * SIDE, 1);
            if (r >= rows)
                break;
            char *to = address(j->y, (size_t)(top + r) * (size_t)j->y.w + (size_t)left, ch);
#pragma GCC unroll 4
            for (int c = 0; c < OUTS; c++)
                if (c < columns)
                    vec_write(to + (size_t)c * position, dtype,
                              vec_activate(d[r * SIDE + c] + b, j->act, dtype), LANES);
        }
    }
}

INLINE void
draw_tiles(const Job *j, int first, float *room, const int side, const SanaDType dtype)
{
    const int in = j->x.c, out = j->y.c, points = side * side;
    const int left = j->tiles - first < j->step ? j->tiles - first : j->step;
    const int count = (left + PAD_ROWS - 1) / PAD_ROWS * PAD_ROWS;
    const size_t v_point = (size_t)j->step * (size_t)in, m_point = (size_t)j->step * (size_t)out;
    float *zeros = room, *v = zeros + in, *m = v + (size_t)points * v_point;
    memset(zeros, 0, (size_t)in * sizeof *zeros);
    for (int t = 0; t < count; t++)
        transform_window(v + (size_t)t * (size_t)in, v_point, j, first + t, zeros, side, dtype);
    for (int p = 0; p < points; p++)
        for (int o = 0; o < out; o += SANA_CPU_PANEL)
            multiply((Product){.c = m + (size_t)p * m_point + o,
                               .c_row = (size_t)out,
                               .a = v + (size_t)p * v_point,
                               .a_row = (size_t)in,
                               .a_step = 1,
                               .b = j->points + ((size_t)p * (size_t)out + (size_t)o) * (size_t)in,
                               .b_row = SANA_CPU_PANEL,
                               .steps = in},
                     count, SANA_CPU_PANEL);
    for (int t = 0; t < left; t++)
        transform_results(j, first + t, m + (size_t)t * (size_t)out, m_point, side, dtype);
}

void
LOOP(winograd)(SanaTensor y, SanaTensor x, const SanaConv *k, const float *points, SanaAct act,
               float *room)
{
    const int across = (y.w + OUTS - 1) / OUTS, tiles = across * ((y.h + OUTS - 1) / OUTS);
    const int threads = omp_get_max_threads(), step = sana_cpu_winograd_tiles(k, y, threads);
    const size_t floats = sana_cpu_winograd_floats(k, y, threads);
    const Job j = {y, x, k, points, act, across, tiles, step};
    PARALLEL_FOR(int, n, (tiles + step - 1) / step, sana_positions(y) * (size_t)y.c)
    {
        float *mine = room + (size_t)omp_get_thread_num() * floats;
        if (k->upsample == 2 && x.dtype == SANA_BF16)
            draw_tiles(&j, n * step, mine, SANA_CPU_WINDOW_ENLARGED, SANA_BF16);
        else if (k->upsample == 2)
            draw_tiles(&j, n * step, mine, SANA_CPU_WINDOW_ENLARGED, SANA_F32);
        else if (x.dtype == SANA_BF16)
            draw_tiles(&j, n * step, mine, SANA_CPU_WINDOW, SANA_BF16);
        else
            draw_tiles(&j, n * step, mine, SANA_CPU_WINDOW, SANA_F32);
    }
}
