// Memory and threads of a call.
#pragma once
#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "program.h"

namespace qinn {
namespace {

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

constexpr size_t PAGE = 2 << 20;

Memory allocate(size_t bytes) {
    const size_t held = (bytes + PAGE - 1) / PAGE * PAGE;
    Memory memory(std::aligned_alloc(PAGE, held));
    if (memory == nullptr) throw std::bad_alloc();
#ifdef __linux__
    madvise(memory.get(), held, MADV_HUGEPAGE);
#endif
    return memory;
}

// Memory that a thread keeps between calls.
void* workspace(size_t bytes) {
    thread_local Memory memory;
    thread_local size_t held = 0;
    if (bytes > held) {
        held = 0;
        memory.reset();
        memory = allocate(bytes);
        held = bytes;
    }
    return memory.get();
}

// Calls work(chunk, thread) for each of n chunks; which thread takes which chunk changes nothing in the result.
template <class Work>
void in_threads(int64_t n, int threads, Work work) {
    const int64_t step = std::max<int64_t>(1, std::min<int64_t>(threads, n));
    std::vector<std::exception_ptr> failed(step);
    auto take = [&](int64_t first) {
        try {
            for (int64_t c = first; c < n; c += step) work(c, first);
        } catch (...) {
            failed[first] = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    for (int64_t t = 1; t < step; ++t) others.emplace_back(take, t);
    take(0);
    for (std::thread& other : others) other.join();
    for (const std::exception_ptr& failure : failed)
        if (failure) std::rethrow_exception(failure);
}

void share(int32_t threads, int64_t items, void (*call)(const void*, int32_t, int64_t), const void* work) {
    in_threads(items, threads, [=](int64_t item, int64_t thread) { call(work, static_cast<int32_t>(thread), item); });
}

// Takes rows one by one with their amplitudes in the lanes: large ones share the threads, small ones have one each.
template <class T, class Sweep>
void in_rows(const Kernel<T>& kernel, const Call<T>& call, bool reverse, int threads, Sweep sweep) {
    constexpr int shared_bits = 16;
    constexpr size_t most_kept = 64 << 20;
    const Crew crew{call.program->n_bits < shared_bits ? 1 : threads, share};
    const size_t bytes = kernel.wide_workspace(call, reverse, crew.threads);
    const Memory large = bytes > most_kept ? allocate(bytes) : nullptr;
    in_threads(call.batch, large || crew.threads > 1 ? 1 : threads,
               [&](int64_t row, int64_t) { sweep(row, crew, large ? large.get() : workspace(bytes)); });
}

}  // namespace
}  // namespace qinn
