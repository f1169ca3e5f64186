/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks of threads, one block or cluster of blocks after the other.  A thread runs on the stack of
 * a fibre until it ends or waits; the fibre of one that ended goes on with the next, so that a
 * kernel without barriers costs no change of stacks.
 */
#include "cuda_runtime.h"
#include "cuda_host_threads.h"
#include "kernels/cuda/warp.h"

#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <ucontext.h>

#include <memory>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
char *cuda_host_dynamic;

namespace
{

const unsigned WARP = 32, GROUP = 128;
const size_t STACK = 128 << 10;

enum State { FRESH, READY, AT_WARP, AT_GROUP, AT_BLOCK, AT_CLUSTER, POLLING, DONE };

struct Fibre {
    ucontext_t context; /* where it begins */
    jmp_buf left;       /* where it waits */
    bool begun = false;
    std::vector<char> stack;
    void *fake = nullptr; /* AddressSanitizer's */
    Fibre();
};

struct Thread {
    State state;
    Fibre *fibre;
    unsigned shuffles;
    bool waited; /* for the launch before */
    int group;   /* the number of its barrier */
};

struct Machine {
    const std::function<void()> *body;
    std::vector<Thread> threads;
    std::vector<std::unique_ptr<Fibre>> fibres; /* all, kept for later launches */
    std::vector<Fibre *> idle;
    std::vector<uint64_t> given; /* two shuffles of each thread */
    ucontext_t home;
    jmp_buf home_left;
    void *home_fake;
    const void *home_stack;
    size_t home_size;
    unsigned block_threads, first_block; /* of a block of the cluster; its first block, along x */
    std::vector<char *> dynamic;         /* shared memory of each block */
    unsigned current;
    bool backwards, early;
    unsigned progress; /* counts whatever brings the block nearer to its end */
} machine;

[[noreturn]] void
undefined(const char *what)
{
    fprintf(stderr, "undefined on a GPU: %s (block %u, %u, %u, thread %u)\n", what, blockIdx.x,
            blockIdx.y, blockIdx.z, machine.current);
    abort();
}

#ifdef __SANITIZE_ADDRESS__

void
leave_to_fibre(Fibre *to)
{
    __sanitizer_start_switch_fiber(&machine.home_fake, to->stack.data(), STACK);
    swapcontext(&machine.home, &to->context);
    __sanitizer_finish_switch_fiber(machine.home_fake, nullptr, nullptr);
}

void
leave_to_home(Fibre *from)
{
    __sanitizer_start_switch_fiber(&from->fake, machine.home_stack, machine.home_size);
    swapcontext(&from->context, &machine.home);
    __sanitizer_finish_switch_fiber(from->fake, nullptr, nullptr);
}

#else /* once a fibre has begun, without the two system calls of a change of context */

void
leave_to_fibre(Fibre *to)
{
    if (_setjmp(machine.home_left))
        return;
    if (to->begun)
        _longjmp(to->left, 1);
    to->begun = true;
    setcontext(&to->context);
}

void
leave_to_home(Fibre *from)
{
    if (!_setjmp(from->left))
        _longjmp(machine.home_left, 1);
}

#endif

/* Of the cluster that runs. */
unsigned
block_of(unsigned thread)
{
    return thread / machine.block_threads;
}

void
become(unsigned thread)
{
    const unsigned block = block_of(thread), local = thread - block * machine.block_threads;
    machine.current = thread;
    threadIdx.x = local % blockDim.x;
    threadIdx.y = local / blockDim.x % blockDim.y;
    threadIdx.z = local / blockDim.x / blockDim.y;
    blockIdx.x = machine.first_block + block;
    cuda_host_dynamic = machine.dynamic[block];
}

/* The next lane of the same warp in the order of this pass, or the number of threads. */
unsigned
after(unsigned thread)
{
    unsigned count = (unsigned)machine.threads.size(), first = thread / WARP * WARP;
    if (machine.backwards)
        return thread > first ? thread - 1 : count;
    return thread + 1 < first + WARP && thread + 1 < count ? thread + 1 : count;
}

void
fibre_main()
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &machine.home_stack, &machine.home_size);
#endif
    for (;;) {
        unsigned thread = machine.current;
        Fibre *self = machine.threads[thread].fibre;
        (*machine.body)();
        if (machine.early && !machine.threads[thread].waited)
            undefined("a kernel that does not wait for the one before it");
        machine.threads[thread].state = DONE;
        machine.progress++;
        unsigned next = after(thread);
        if (next < machine.threads.size() && machine.threads[next].state == FRESH) {
            machine.threads[next].fibre = self;
            machine.threads[next].state = READY;
            become(next);
            continue;
        }
        machine.idle.push_back(self);
        leave_to_home(self);
    }
}

Fibre::Fibre() : stack(STACK)
{
    getcontext(&context);
    context.uc_stack.ss_sp = stack.data();
    context.uc_stack.ss_size = STACK;
    makecontext(&context, fibre_main, 0);
}

Fibre *
idle_fibre()
{
    if (machine.idle.empty()) {
        machine.fibres.push_back(std::make_unique<Fibre>());
        return machine.fibres.back().get();
    }
    Fibre *f = machine.idle.back();
    machine.idle.pop_back();
    return f;
}

void
resume(unsigned index)
{
    Thread *thread = &machine.threads[index];
    if (thread->state == FRESH)
        thread->fibre = idle_fibre();
    thread->state = READY;
    become(index);
    leave_to_fibre(thread->fibre);
}

/* Runs a warp until all its threads have ended or wait for others than each other. */
void
run_warp(unsigned first)
{
    unsigned count = (unsigned)machine.threads.size();
    unsigned end = first + WARP < count ? first + WARP : count;
    for (;;) {
        for (unsigned i = machine.backwards ? end - 1 : first; i < count; i = after(i))
            if (machine.threads[i].state == FRESH || machine.threads[i].state == READY)
                resume(i);
        unsigned waiting = 0, polling = 0;
        for (unsigned i = first; i < end; i++) {
            waiting += machine.threads[i].state == AT_WARP;
            polling += machine.threads[i].state == POLLING;
        }
        if (!waiting || polling)
            return;
        if (waiting < WARP)
            undefined("part of a warp waits for lanes that ended, are elsewhere or do not exist");
        for (unsigned i = first; i < end; i++)
            machine.threads[i].state = READY;
    }
}

unsigned
count_of(State state)
{
    unsigned n = 0;
    for (const Thread &thread : machine.threads)
        n += thread.state == state;
    return n;
}

/* Lets the threads from `first` go that wait at a barrier of this number. */
void
let_go(unsigned first, unsigned count, State state, int group)
{
    for (unsigned i = first; i < first + count; i++)
        if (machine.threads[i].state == state && machine.threads[i].group == group)
            machine.threads[i].state = READY;
    machine.progress++;
}

/* Barriers that all of a block have reached. */
void
open_barriers(unsigned first, unsigned count)
{
    unsigned there[16] = {}, waiting = 0, done = 0;
    for (unsigned i = first; i < first + count; i++) {
        const Thread &thread = machine.threads[i];
        there[thread.group] += thread.state == AT_GROUP;
        waiting += thread.state == AT_BLOCK;
        done += thread.state == DONE;
    }
    for (int group = 0; group < 16; group++) {
        if (there[group] > GROUP)
            undefined("more than a group at its barrier");
        if (there[group] == GROUP)
            let_go(first, count, AT_GROUP, group);
    }
    if (waiting == count)
        let_go(first, count, AT_BLOCK, 0);
    else if (waiting && waiting + done == count)
        undefined("some threads of a block wait for others that have ended");
}

/* A block, or a cluster of them. */
void
run_blocks()
{
    unsigned count = (unsigned)machine.threads.size();
    for (Thread &thread : machine.threads)
        thread = Thread{FRESH, nullptr, 0, false, 0};
    do {
        const unsigned before = machine.progress;
        machine.backwards = !machine.backwards;
        for (Thread &thread : machine.threads)
            if (thread.state == POLLING)
                thread.state = READY;
        const unsigned warps = (count + WARP - 1) / WARP;
        for (unsigned w = 0; w < warps; w++)
            run_warp((machine.backwards ? warps - 1 - w : w) * WARP);
        for (unsigned first = 0; first < count; first += machine.block_threads)
            open_barriers(first, machine.block_threads);
        if (count_of(AT_CLUSTER) == count)
            let_go(0, count, AT_CLUSTER, 0);
        if (machine.progress == before)
            undefined("threads wait for each other");
    } while (count_of(DONE) < count);
    cuda_host_tiles_end();
}

void
wait(State how)
{
    unsigned self = machine.current;
    machine.threads[self].state = how;
    machine.progress += how != POLLING;
    leave_to_home(machine.threads[self].fibre);
}

} // namespace

unsigned
cuda_host_cluster(const cudaLaunchConfig_t &how)
{
    unsigned blocks = 1;
    for (unsigned i = 0; i < how.numAttrs; i++)
        if (how.attrs[i].id == cudaLaunchAttributeClusterDimension)
            blocks = how.attrs[i].val.clusterDim.x;
    return blocks;
}

cudaError_t
cuda_host_launch(const cudaLaunchConfig_t &how, bool early, unsigned cluster,
                 const std::function<void()> &thread)
{
    const dim3 grid = how.gridDim, block = how.blockDim;
    size_t threads = (size_t)block.x * block.y * block.z;
    if (threads == 0 || threads > 1024 || grid.x == 0 || grid.x > INT32_MAX || grid.y == 0 ||
        grid.y > UINT16_MAX || grid.z == 0 || grid.z > UINT16_MAX || grid.x % cluster ||
        (cluster > 1 && (threads % WARP || threads * cluster > 1024)))
        return cudaErrorInvalidConfiguration;
    machine.dynamic.clear();
    for (unsigned i = 0; i < cluster; i++)
        machine.dynamic.push_back(
            (char *)aligned_alloc(1024, (how.dynamicSmemBytes + 1023) / 1024 * 1024));
    machine.body = &thread;
    machine.early = early;
    machine.block_threads = (unsigned)threads;
    machine.threads.resize(threads * cluster);
    machine.given.resize(2 * threads * cluster);
    blockDim = block;
    gridDim = grid;
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (unsigned x = 0; x < grid.x; x += cluster) {
                machine.first_block = x;
                run_blocks();
            }
    for (char *shared : machine.dynamic)
        free(shared);
    return cudaSuccess;
}

void
after_previous()
{
    machine.threads[machine.current].waited = true;
}

void
__syncthreads()
{
    wait(AT_BLOCK);
}

void
group_barrier(int number)
{
    machine.threads[machine.current].group = number;
    wait(AT_GROUP);
    machine.threads[machine.current].group = 0;
}

void
cluster_barrier(void)
{
    wait(AT_CLUSTER);
}

void *
cuda_host_there(const void *here, unsigned block)
{
    bool lives = false;
    for (unsigned i = 0; i < machine.block_threads; i++)
        lives = lives || machine.threads[block * machine.block_threads + i].state != DONE;
    if (!lives)
        undefined("shared memory of a block that has ended");
    return machine.dynamic[block] + ((const char *)here - cuda_host_dynamic);
}

unsigned
cuda_host_thread(void)
{
    return machine.current;
}

void
cuda_host_poll(void)
{
    wait(POLLING);
}

void
cuda_host_progress(void)
{
    machine.progress++;
}

bool
cuda_host_eager(void)
{
    return machine.backwards;
}

void
__syncwarp(unsigned mask)
{
    if (mask != 0xffffffffu)
        undefined("only whole warps are supported");
    wait(AT_WARP);
}

unsigned
cuda_host_lane()
{
    return machine.current % WARP;
}

uint64_t
cuda_host_shuffle(unsigned mask, uint64_t bits, unsigned source)
{
    unsigned self = machine.current, count = (unsigned)machine.threads.size();
    unsigned half =
        machine.threads[self].shuffles++ % 2 * count; /* the last one may still be read */
    machine.given[half + self] = bits;
    __syncwarp(mask);
    return machine.given[half + self / WARP * WARP + source];
}
