// Phases of words of Z for one instruction set, 64 samples at a time; compiled once per set like `kernel.cpp`.
#include "z_words.h"

#include <algorithm>

#include "lanes.h"

namespace qinn {
namespace QINN_ISA {

constexpr int64_t BLOCK = 64;

// The samples of one block, a sample in each lane.
template <class T>
struct Samples {
    static constexpr int width = Lanes<T>::width, parts = BLOCK / width;
    using V = Vec<T>;
    using I = typename Lanes<T>::I;
    V part[parts];

    void clear() {
        for (V& one : part) one = V{};
    }
    void add(const Samples& other) {
        for (int k = 0; k < parts; ++k) part[k] += other.part[k];
    }
    // Adds the value to samples whose bit is 0, and takes it from the others.
    void add_signed(uint64_t bits, T value) {
        const V plus = splat<T>(value), minus = -plus;
        for (int k = 0; k < parts; ++k) part[k] += odd(bits, k) ? minus : plus;
    }
    // The sum over parts, those samples taken away whose bit is 1.
    V signed_sum(uint64_t bits) const {
        V even = {}, other = {};
        for (int k = 0; k < parts; k += 2) {
            even += odd(bits, k) ? -part[k] : part[k];
            other += odd(bits, k + 1) ? -part[k + 1] : part[k + 1];
        }
        return even + other;
    }

  private:
    static I odd(uint64_t bits, int k) {
        I lane = {};
        for (int i = 0; i < width; ++i) lane[i] = 1 << i;
        using Element = decltype(lane[0] + 0);
        const I chunk = I{} + static_cast<Element>((bits >> (k * width)) & ((1u << width) - 1));
        return (chunk & lane) != 0;
    }
};

// Memory of one call, cut into arrays that begin at multiples of 64 bytes.
template <class T>
struct ZMemory {
    char* at;
    size_t used = 0;

    template <class U>
    U* take(size_t count) {
        U* found = reinterpret_cast<U*>(at + used);
        used += (count * sizeof(U) + 63) / 64 * 64;
        return found;
    }
};

template <class T>
static size_t workspace(const ZGates& gates, bool gradient) {
    ZMemory<T> memory{nullptr};
    memory.template take<uint64_t>(gates.n_gates);
    memory.template take<Samples<T>>(gates.n_wires);
    if (gradient) memory.template take<Vec<T>>(gates.n_gates);
    return memory.used;
}

// The parity of each gate's wires in 64 samples.
static void fill_bits(const ZGates& gates, const uint64_t* samples, int64_t blocks, uint64_t* bits) {
    for (int32_t g = 0; g < gates.n_gates; ++g) {
        uint64_t all = 0;
        for (int32_t at = gates.gate_start[g]; at < gates.gate_start[g + 1]; ++at)
            all ^= samples[gates.gate_wires[at] * blocks];
        bits[g] = all;
    }
}

template <class T>
static void phases(const ZCall<T>& call, void* workspace) {
    const ZGates& gates = *call.gates;
    const ZWords& words = *call.words;
    ZMemory<T> memory{static_cast<char*>(workspace)};
    uint64_t* bits = memory.template take<uint64_t>(gates.n_gates);
    Samples<T>* sums = memory.template take<Samples<T>>(gates.n_wires);
    const int64_t blocks = (call.n_samples + BLOCK - 1) / BLOCK;
    for (int64_t b = 0; b < blocks; ++b) {
        fill_bits(gates, call.samples + b, blocks, bits);
        for (int32_t w = 0; w < gates.n_wires; ++w) sums[w].clear();
        for (int32_t g = 0; words.sum_start[words.n_words] && g < gates.n_gates; ++g)
            for (int32_t at = gates.gate_start[g]; at < gates.gate_start[g + 1]; ++at)
                sums[gates.gate_wires[at]].add_signed(bits[g], 2 * call.angles[g]);
        const int count = static_cast<int>(std::min(BLOCK, call.n_samples - b * BLOCK));
        for (int64_t a = 0; a < words.n_words; ++a) {
            Samples<T> phase;
            phase.clear();
            for (int64_t at = words.sum_start[a]; at < words.sum_start[a + 1]; ++at) phase.add(sums[words.sums[at]]);
            for (int64_t at = words.single_start[a]; at < words.single_start[a + 1]; ++at) {
                const int32_t g = words.singles[at];
                phase.add_signed(bits[g], 2 * words.times[at] * call.angles[g]);
            }
            std::memcpy(call.phases + a * call.n_samples + b * BLOCK, &phase, count * sizeof(T));
        }
    }
}

template <class T>
static void gradient(const ZCall<T>& call, void* workspace) {
    const ZGates& gates = *call.gates;
    const ZWords& words = *call.words;
    ZMemory<T> memory{static_cast<char*>(workspace)};
    uint64_t* bits = memory.template take<uint64_t>(gates.n_gates);
    Samples<T>* sums = memory.template take<Samples<T>>(gates.n_wires);
    Vec<T>* totals = memory.template take<Vec<T>>(gates.n_gates);
    for (int32_t g = 0; g < gates.n_gates; ++g) totals[g] = Vec<T>{};
    const int64_t blocks = (call.n_samples + BLOCK - 1) / BLOCK;
    for (int64_t b = 0; b < blocks; ++b) {
        fill_bits(gates, call.samples + b, blocks, bits);
        for (int32_t w = 0; w < gates.n_wires; ++w) sums[w].clear();
        const int count = static_cast<int>(std::min(BLOCK, call.n_samples - b * BLOCK));
        for (int64_t a = 0; a < words.n_words; ++a) {
            Samples<T> by;
            by.clear();
            std::memcpy(&by, call.by_phases + a * call.n_samples + b * BLOCK, count * sizeof(T));
            for (int64_t at = words.sum_start[a]; at < words.sum_start[a + 1]; ++at) sums[words.sums[at]].add(by);
            for (int64_t at = words.single_start[a]; at < words.single_start[a + 1]; ++at) {
                const int32_t g = words.singles[at];
                totals[g] += by.signed_sum(bits[g]) * static_cast<T>(words.times[at]);
            }
        }
        for (int32_t g = 0; words.sum_start[words.n_words] && g < gates.n_gates; ++g) {
            Samples<T> by;
            by.clear();
            for (int32_t at = gates.gate_start[g]; at < gates.gate_start[g + 1]; ++at) by.add(sums[gates.gate_wires[at]]);
            totals[g] += by.signed_sum(bits[g]);
        }
    }
    for (int32_t g = 0; g < gates.n_gates; ++g) call.by_angles[g] = 2 * lane_sum<T>(totals[g]);
}

// Wide registers left dirty slow every narrow instruction that follows.
template <class T, void (*work)(const ZCall<T>&, void*)>
static void clean(const ZCall<T>& call, void* workspace) {
    work(call, workspace);
#ifdef __AVX__
    __builtin_ia32_vzeroupper();
#endif
}

template <class T>
constexpr ZKernel<T> z_kernel = {workspace<T>, clean<T, phases<T>>, clean<T, gradient<T>>};

}  // namespace QINN_ISA

#define QINN_TEXT_(x) #x
#define QINN_TEXT(x) QINN_TEXT_(x)
#define QINN_JOIN_(a, b) a##b
#define QINN_JOIN(a, b) QINN_JOIN_(a, b)

const ZInstructionSet QINN_JOIN(QINN_ISA, _z_set) = {
    QINN_TEXT(QINN_ISA),
    QINN_ISA::z_kernel<float>,
    QINN_ISA::z_kernel<double>,
};

}  // namespace qinn
