// The kernel for one instruction set; compiled once per set with QINN_ISA, QINN_BYTES and QINN_DEEP set by the build.
#include <chrono>

#include "forward.h"
#include "reverse.h"
#include "spline.h"
#include "wide_reverse.h"

namespace qinn {
namespace QINN_ISA {

// Wide registers left dirty slow every narrow instruction that follows, in the C library and in Python too.
static inline void leave() {
#ifdef __AVX__
    __builtin_ia32_vzeroupper();
#endif
}

template <class T>
static size_t workspace(const Program& program, int32_t n_states, bool reverse) {
    Arena arena{nullptr};
    const Call<T> call{};
    if (reverse)
        Reverse<T>(program, call, n_states, arena);
    else
        Forward<T>(program, call, n_states, arena);
    return arena.used;
}

template <class T>
static void forward(const Call<T>& call, int64_t first, int64_t last, void* memory) {
    Arena arena{static_cast<char*>(memory)};
    Forward<T> block(*call.program, call, call.n_states, arena);
    block.fill_shared();
    for (int64_t b = first; b < last; ++b) block.forward(b);
    *call.drift = block.drift;
    leave();
}

template <class T>
static void reverse(const Call<T>& call, int64_t first, int64_t last, void* memory) {
    Arena arena{static_cast<char*>(memory)};
    Reverse<T> block(*call.program, call, call.n_states, arena);
    block.fill_shared();
    for (int w = 0; w < call.program->n_weights; ++w) block.by_weight[w] = Vec<T>{};
    for (int64_t b = first; b < last; ++b) block.reverse(b);
    for (int w = 0; w < call.program->n_weights; ++w)
        call.grad_weights[w] = static_cast<double>(lane_sum<T>(block.by_weight[w]));
    *call.drift = block.drift;
    leave();
}

template <class T>
static size_t wide_workspace(const Call<T>& call, bool reverse, int32_t threads) {
    Arena arena{nullptr};
    const Crew crew{threads, nullptr};
    if (reverse)
        WideReverse<T>(call, crew, arena);
    else
        WideForward<T>(call, crew, arena);
    return arena.used;
}

template <class T>
static void wide_forward(const Call<T>& call, int64_t row, const Crew& crew, void* memory) {
    Arena arena{static_cast<char*>(memory)};
    WideForward<T>(call, crew, arena).forward(row);
    leave();
}

template <class T>
static void wide_reverse(const Call<T>& call, int64_t row, const Crew& crew, void* memory) {
    Arena arena{static_cast<char*>(memory)};
    WideReverse<T>(call, crew, arena).reverse(row);
    leave();
}

// Rounds of independent multiply-adds in registers, so many that their latency does not show; best of several.
template <class T>
static double peak() {
    using V = Vec<T>;
    constexpr int chains = 12, rounds = 1 << 14, tries = 400;
    using Clock = std::chrono::steady_clock;
    volatile T factor = static_cast<T>(0.999), shift = static_cast<T>(0.001), sink;
    double best = 0;
    for (int attempt = 0; attempt < tries; ++attempt) {
        const V x = splat<T>(factor), y = splat<T>(shift);
        V a[chains];
        for (int k = 0; k < chains; ++k) a[k] = splat<T>(static_cast<T>(k));
        const Clock::time_point start = Clock::now();
        for (int round = 0; round < rounds; ++round)
#pragma GCC unroll 12
            for (int k = 0; k < chains; ++k) a[k] = a[k] * x + y;
        V sum = {};
        for (int k = 0; k < chains; ++k) sum += a[k];
        sink = lane_sum<T>(sum);
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        const double rate = 2.0 * chains * rounds * Lanes<T>::width / seconds;
        if (rate > best) best = rate;
    }
    static_cast<void>(sink);
    leave();
    return best;
}

template <class T>
constexpr Kernel<T> kernel = {Lanes<T>::width,   workspace<T>,      forward<T>,        reverse<T>,
                              lane_bits<T>,      wide_workspace<T>, wide_forward<T>,   wide_reverse<T>,
                              spline_forward<T>, spline_inverse<T>, spline_gradient<T>, peak<T>};

}  // namespace QINN_ISA

#define QINN_TEXT_(x) #x
#define QINN_TEXT(x) QINN_TEXT_(x)
#define QINN_JOIN_(a, b) a##b
#define QINN_JOIN(a, b) QINN_JOIN_(a, b)

const InstructionSet QINN_JOIN(QINN_ISA, _set) = {
    QINN_TEXT(QINN_ISA),
    QINN_ISA::kernel<float>,
    QINN_ISA::kernel<double>,
};

}  // namespace qinn
