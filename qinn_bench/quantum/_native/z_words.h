// Phases of words of Z under commuting gates: plain tables that every instruction set reads.
#pragma once
#include <cstddef>
#include <cstdint>

namespace qinn {

// A gate turns by a word of Z on its wires; it enters the phase of a word that it shares an odd number of wires with.
struct ZGates {
    int32_t n_wires, n_gates;
    const int32_t* gate_start;  // (n_gates + 1)
    const int32_t* gate_wires;  // one gate after the other
};

// What the phase of each word is added up from: whole sums of all gates on a wire, and single gates, so many times each.
struct ZWords {
    int64_t n_words;
    const int64_t* sum_start;    // (n_words + 1)
    const int32_t* sums;         // wires
    const int64_t* single_start; // (n_words + 1)
    const int32_t* singles;      // gates
    const int8_t* times;
};

// One call; bit s of samples[wire] is the sample's outcome on the wire, 64 samples in a number.
template <class T>
struct ZCall {
    const ZGates* gates;
    const ZWords* words;
    int64_t n_samples;
    const uint64_t* samples;  // (n_wires, ceil(n_samples / 64))
    const T* angles;          // (n_gates)
    T* phases;                // (n_words, n_samples): written
    const T* by_phases;       // (n_words, n_samples)
    T* by_angles;             // (n_gates): written
};

template <class T>
struct ZKernel {
    size_t (*workspace)(const ZGates&, bool gradient);
    void (*phases)(const ZCall<T>&, void* workspace);
    void (*gradient)(const ZCall<T>&, void* workspace);
};

struct ZInstructionSet {
    const char* name;
    ZKernel<float> single_;
    ZKernel<double> double_;
};

extern const ZInstructionSet portable_z_set;
extern const ZInstructionSet avx2_z_set;
extern const ZInstructionSet avx512_z_set;

}  // namespace qinn
