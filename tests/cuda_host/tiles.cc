/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The copy engine: tiles of maps, and the barriers in shared memory at which they arrive. */
#include "kernels/cuda/warp.h"

#include <stdio.h>
#include <stdlib.h>

#include <deque>
#include <vector>

#include "cuda_host_threads.h"

namespace
{

struct Barrier {
    int32_t bytes; /* announced and not there */
    uint16_t total : 15, phase : 1;
    int16_t missing; /* arrivals */
};

static_assert(sizeof(Barrier) == sizeof(uint64_t), "it lies in shared memory");

struct Tile {
    CUtensorMap map;
    char *shared;
    uint64_t *barrier;
    int at[5];
};

std::vector<Tile> loads;       /* announced, not there */
std::deque<Tile> stores[1024]; /* of each thread, still to be read */

[[noreturn]] void
undefined(const char *what)
{
    fprintf(stderr, "undefined on a GPU: %s\n", what);
    abort();
}

Barrier *
of(uint64_t *barrier)
{
    return (Barrier *)barrier;
}

void
end_phase_if_due(uint64_t *barrier)
{
    Barrier *b = of(barrier);
    if (b->missing < 0)
        undefined("more arrivals at a barrier than it waits for");
    if (b->missing == 0 && b->bytes == 0) {
        b->missing = (int16_t)b->total;
        b->phase ^= 1;
        cuda_host_progress();
    }
}

/* Calls f(vector of 16 bytes in shared memory, its place in the map or NULL outside). */
template <typename F>
int
each_vector(const Tile &t, F f)
{
    const CUtensorMap &m = t.map;
    uint32_t count[5] = {1, 1, 1, 1, 1}, i[5];
    int row = 0;
    for (uint32_t d = 0; d < m.rank; d++)
        count[d] = (m.box[d] + m.step[d] - 1) / m.step[d];
    for (i[4] = 0; i[4] < count[4]; i[4]++)
        for (i[3] = 0; i[3] < count[3]; i[3]++)
            for (i[2] = 0; i[2] < count[2]; i[2]++)
                for (i[1] = 0; i[1] < count[1]; i[1]++, row++)
                    for (uint32_t v = 0; v < count[0] / 8; v++) {
                        i[0] = 8 * v;
                        char *from = m.data;
                        bool inside = true;
                        for (uint32_t d = 0; d < m.rank; d++) {
                            const int64_t k = t.at[d] + (int64_t)(i[d] * m.step[d]);
                            inside = inside && k >= 0 && k < (int64_t)m.size[d];
                            from += k * (int64_t)m.stride[d];
                        }
                        uintptr_t to = (uintptr_t)t.shared + (uintptr_t)(row * 128) + v * 16;
                        to ^= (to >> 7 & 7) << 4;
                        f((char *)to, inside ? from : nullptr);
                    }
    return row * 128;
}

void
arrive(const Tile &t)
{
    const int bytes = each_vector(t, [](char *to, const char *from) {
        if (from)
            memcpy(to, from, 16);
        else
            memset(to, 0, 16);
    });
    of(t.barrier)->bytes -= bytes;
    end_phase_if_due(t.barrier);
}

void
leave(const Tile &t)
{
    each_vector(t, [](const char *from, char *to) {
        if (to)
            memcpy(to, from, 16);
    });
}

} // namespace

CUresult
cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType, cuuint32_t rank, void *data,
                       const cuuint64_t *size, const cuuint64_t *stride, const cuuint32_t *box,
                       const cuuint32_t *step, CUtensorMapInterleave, CUtensorMapSwizzle,
                       CUtensorMapL2promotion, CUtensorMapFloatOOBfill)
{
    *map = {(char *)data, rank, {}, {2}, {}, {}};
    bool allowed = (uintptr_t)data % 16 == 0 && rank >= 3 && rank <= 5 && box[0] == 64;
    for (cuuint32_t d = 0; d < rank; d++) {
        map->size[d] = size[d];
        map->box[d] = box[d];
        map->step[d] = step[d];
        if (d > 0)
            map->stride[d] = stride[d - 1];
        allowed = allowed && size[d] > 0 && box[d] > 0 && box[d] <= 256 && step[d] > 0 &&
                  step[d] <= 8 && (d == 0 || map->stride[d] % 16 == 0);
    }
    /* vectors that lie across the end of a row are not told apart here */
    return allowed && size[0] % 8 == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void
barrier_begin(uint64_t *barrier, int arrivals)
{
    *of(barrier) = {0, (uint16_t)arrivals, 0, (int16_t)arrivals};
}

void
barrier_arrive(uint64_t *barrier)
{
    of(barrier)->missing--;
    end_phase_if_due(barrier);
}

void
barrier_arrive_at(uint64_t *barrier, int block)
{
    barrier_arrive((uint64_t *)cuda_host_there(barrier, (unsigned)block));
}

void
barrier_arrive_with(uint64_t *barrier, int bytes)
{
    of(barrier)->bytes += bytes;
    barrier_arrive(barrier);
}

void
barrier_wait(uint64_t *barrier, int parity)
{
    for (;;) {
        for (size_t i = 0; i < loads.size();)
            if (loads[i].barrier == barrier) {
                const Tile t = loads[i];
                loads.erase(loads.begin() + (long)i);
                arrive(t);
            } else {
                i++;
            }
        if (of(barrier)->phase != parity)
            return;
        cuda_host_poll();
    }
}

/* At once or as late as may be, in turn. */
void
tile_load(void *shared, const CUtensorMap *map, uint64_t *barrier, int c, int x, int y)
{
    if ((uintptr_t)shared % 1024)
        undefined("a tile that does not begin at a multiple of 1024 bytes");
    const Tile t = {*map, (char *)shared, barrier, {c, x, y}};
    if (cuda_host_eager())
        arrive(t);
    else
        loads.push_back(t);
}

void
tile_load_both(void *shared, const CUtensorMap *map, uint64_t *barrier, int c, int x, int y)
{
    for (unsigned block = 0; block < 2; block++)
        tile_load(cuda_host_there(shared, block), map, (uint64_t *)cuda_host_there(barrier, block),
                  c, x, y);
}

void
tile_store(const CUtensorMap *map, const void *shared, int c, int i, int x, int j, int y)
{
    if ((uintptr_t)shared % 1024)
        undefined("a tile that does not begin at a multiple of 1024 bytes");
    if (c < 0 || i < 0 || x < 0 || j < 0 || y < 0)
        undefined("a tile stored from before the beginning of a map");
    const Tile t = {*map, (char *)shared, nullptr, {c, i, x, j, y}};
    if (cuda_host_eager()) /* and again as late as may be, with what lies there then */
        leave(t);
    stores[cuda_host_thread()].push_back(t);
}

void
cuda_host_tile_store_wait(int left)
{
    auto &mine = stores[cuda_host_thread()];
    for (; (int)mine.size() > left; mine.pop_front())
        leave(mine.front());
}

void
cuda_host_tiles_end(void)
{
    for (auto &mine : stores)
        if (!mine.empty())
            undefined("a thread ends while its stores read shared memory");
    if (!loads.empty())
        undefined("a block ends while tiles arrive in its shared memory");
}
