/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the lanes of a warp do together, and copies that arrive late. */
#include "kernels/cuda/warp.h"

#include "cuda_host_threads.h"

#include <stdio.h>
#include <stdlib.h>

#include <array>
#include <deque>
#include <vector>

#include "cuda_bf16.h"

namespace
{

const unsigned MOST = 1024; /* threads of a cluster */

struct Copy {
    void *to;
    const void *from; /* NULL: zeros */
};

/* Copies of one thread: groups on their way, the last of them still open. */
struct Copies {
    std::deque<std::vector<Copy>> groups;
    std::vector<Copy> open;
} copies[MOST];

/* Products of one thread's part of the result, in groups as copies are. */
struct Product {
    float *d;
    unsigned columns;
    uint64_t a, b;
    bool more;
    int bytes; /* of a factor */
};

struct Products {
    std::deque<std::vector<Product>> groups;
    std::vector<Product> open;
} products[MOST];

unsigned
self()
{
    return cuda_host_thread();
}

/* What all lanes of this warp give, by lane; until the next but one call. */
template <int N> struct Exchange {
    uint32_t given[2][MOST][N];
    unsigned turn[MOST];

    const uint32_t (*operator()(const uint32_t (&mine)[N]))[N]
    {
        const unsigned thread = self(), half = turn[thread]++ % 2;
        memcpy(given[half][thread], mine, sizeof mine);
        __syncwarp();
        return given[half] + thread / 32 * 32;
    }
};

float
half_of(uint32_t pair, unsigned which)
{
    return __bfloat162float(__nv_bfloat16{(uint16_t)(pair >> (16 * which))});
}

/* Every E4M3, by its bits. */
const std::array<float, 256> e4m3 = [] {
    std::array<float, 256> values;
    for (unsigned bits = 0; bits < values.size(); bits++)
        values[bits] = sana_e4m3_to_f32((uint8_t)bits);
    return values;
}();

/* A factor of BYTES: of 2 BF16, of 1 E4M3. */
template <int BYTES>
float
factor(const char *at)
{
    uint16_t bits;
    if (BYTES == 1)
        return e4m3[(uint8_t)*at];
    memcpy(&bits, at, sizeof bits);
    return sana_bf16_to_f32(bits);
}

/* Element (row, k) of an operand: rows of 128 bytes, whose vectors of 16 are exchanged by bits 7 to
 * 9 of their address. */
template <int BYTES>
float
operand(uint64_t descriptor, unsigned row, unsigned k)
{
    const uintptr_t between = descriptor >> 48 << 4, begin = descriptor & 0xffffffffffff;
    uintptr_t address = begin + row / 8 * between + row % 8 * 128 + k * BYTES;
    address ^= (address >> 7 & 7) << 4;
    return factor<BYTES>((const char *)address);
}

template <int BYTES>
void
multiply(const Product &p)
{
    const unsigned lane = cuda_host_lane(), warp = self() / 32 % 4;
    for (unsigned i = 0; i < p.columns / 2; i++) {
        const unsigned row = 16 * warp + lane / 4 + i % 4 / 2 * 8;
        const unsigned column = i / 4 * 8 + lane % 4 * 2 + i % 2;
        p.d[i] = p.more ? p.d[i] : 0;
        for (unsigned k = 0; k < 32 / BYTES; k++)
            p.d[i] += operand<BYTES>(p.a, row, k) * operand<BYTES>(p.b, column, k);
    }
}

/* d += a · b of this lane; what each lane of the warp gave: a, then b. */
template <int BYTES>
void
multiply(float (&d)[4], const uint32_t (*lanes)[6])
{
    const unsigned lane = cuda_host_lane(), row = lane / 4, column = lane % 4 * 2;
    const unsigned each = 4 / BYTES; /* factors in a register; four lanes have a row */
    for (unsigned e = 0; e < 4; e++) {
        const unsigned low = e / 2, n = column + e % 2; /* row + 8·low, column n */
        for (unsigned k = 0; k < 8 * each; k++) {
            const unsigned from = k / each % 4, half = k / (4 * each), at = k % each * BYTES;
            d[e] += factor<BYTES>((const char *)&lanes[4 * row + from][low + half * 2] + at) *
                    factor<BYTES>((const char *)&lanes[4 * n + from][4 + half] + at);
        }
    }
}

/* The rows that the lanes of this warp point to. */
std::array<const char *, 32>
rows_of(const void *mine)
{
    static Exchange<2> exchange;
    std::array<const char *, 32> rows;
    uint32_t given[2];
    memcpy(given, &mine, sizeof given);
    const uint32_t(*lanes)[2] = exchange(given);
    for (unsigned lane = 0; lane < 32; lane++)
        memcpy(&rows[lane], lanes[lane], sizeof rows[lane]);
    return rows;
}

} // namespace

uint64_t
matrix_descriptor(const void *shared, int between)
{
    return (uint64_t)shared | (uint64_t)between >> 4 << 48;
}

void
show_to_tensor_cores(void)
{
}

void
products_begin(void)
{
}

void
cuda_host_multiply_add_64(float *d, int columns, uint64_t a, uint64_t b, int more, int bytes)
{
    products[self()].open.push_back({d, (unsigned)columns, a, b, more != 0, bytes});
}

void
products_group(void)
{
    products[self()].groups.push_back(std::move(products[self()].open));
    products[self()].open.clear();
}

/* They read shared memory as late as they may. */
void
cuda_host_products_wait(int left)
{
    auto &groups = products[self()].groups;
    for (; (int)groups.size() > left; groups.pop_front())
        for (const Product &p : groups.front()) {
            if (p.bytes == 1)
                multiply<1>(p);
            else
                multiply<2>(p);
        }
}

void
copy_start(void *shared, const void *global, bool valid)
{
    if ((uintptr_t)shared % 16 || (uintptr_t)global % 16) {
        fprintf(stderr, "undefined on a GPU: a copy that is not aligned\n");
        abort();
    }
    copies[self()].open.push_back({shared, valid ? global : nullptr});
}

void
copy_group(void)
{
    copies[self()].groups.push_back(std::move(copies[self()].open));
    copies[self()].open.clear();
}

void
cuda_host_copy_wait(int left)
{
    auto &groups = copies[self()].groups;
    for (; (int)groups.size() > left; groups.pop_front())
        for (const Copy &c : groups.front()) {
            if (c.from)
                memcpy(c.to, c.from, 16);
            else
                memset(c.to, 0, 16);
        }
}

void
load_matrices(uint32_t (&r)[4], const void *shared)
{
    const unsigned lane = cuda_host_lane();
    const auto rows = rows_of(shared);
    for (unsigned i = 0; i < 4; i++)
        memcpy(&r[i], rows[8 * i + lane / 4] + lane % 4 * 4, sizeof r[i]);
    /* nobody writes there before all have read */
    __syncwarp();
}

void
load_matrices_turned(uint32_t (&r)[4], const void *shared)
{
    const unsigned lane = cuda_host_lane();
    const auto rows = rows_of(shared);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned e = 0; e < 2; e++) {
            uint16_t half;
            memcpy(&half, rows[8 * i + lane % 4 * 2 + e] + lane / 4 * 2, sizeof half);
            r[i] = e == 0 ? half : r[i] | (uint32_t)half << 16;
        }
    __syncwarp();
}

void
store_matrices(void *shared, const uint32_t (&r)[4])
{
    static Exchange<4> exchange;
    const unsigned lane = cuda_host_lane();
    const uint32_t(*lanes)[4] = exchange(r);
    /* this lane's row, of the matrix lane / 8 */
    for (unsigned pair = 0; pair < 4; pair++)
        memcpy((char *)shared + 4 * pair, &lanes[lane % 8 * 4 + pair][lane / 8], 4);
    __syncwarp();
}

void
cuda_host_multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, int bytes)
{
    static Exchange<6> exchange;
    const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const uint32_t(*lanes)[6] = exchange(mine);
    if (bytes == 1)
        multiply<1>(d, lanes);
    else
        multiply<2>(d, lanes);
}

uint32_t
relu_pair(uint32_t x)
{
    for (unsigned half = 0; half < 2; half++)
        if (half_of(x, half) < 0)
            x &= half ? 0xffff : 0xffff0000;
    return x;
}

float
power_of_two(float x)
{
    return exp2f(x);
}

float
reciprocal(float x)
{
    return 1 / x;
}
