// What is read out of final states: sums of Pauli words and probabilities, their derivatives along tangents, and the
// dual states these give.
#pragma once
#include "phases.h"

namespace qinn {
namespace QINN_ISA {

// target[x ^ flip] += i^turns (-1)^|x & sign| factor source[x]
template <class T>
static void add_word(Vec<T>* target, const Vec<T>* source, int n, const Word& word, Vec<T> factor) {
    using V = Vec<T>;
    const V cycle[4] = {factor, V{}, -factor, V{}};
    const V re = cycle[word.turns & 3], im = cycle[(word.turns + 3) & 3];
    for (size_t x = 0; x < static_cast<size_t>(1) << n; ++x) {
        const bool minus = __builtin_popcountll(x & word.sign) & 1;
        V a = source[2 * x], b = source[2 * x + 1];
        multiply(a, b, minus ? -re : re, minus ? -im : im);
        target[2 * (x ^ word.flip)] += a, target[2 * (x ^ word.flip) + 1] += b;
    }
}

// Re <left| word |right>
template <class T>
static Vec<T> word_between(const Vec<T>* left, const Vec<T>* right, int n, const Word& word) {
    using V = Vec<T>;
    V re = {}, im = {};
    for (size_t x = 0; x < static_cast<size_t>(1) << n; ++x) {
        const bool minus = __builtin_popcountll(x & word.sign) & 1;
        const size_t y = x ^ word.flip;
        V a = right[2 * x] * left[2 * y] + right[2 * x + 1] * left[2 * y + 1];
        V b = right[2 * x + 1] * left[2 * y] - right[2 * x] * left[2 * y + 1];
        re += minus ? -a : a, im += minus ? -b : b;
    }
    const V cycle[4] = {re, -im, -re, im};
    return cycle[word.turns & 3];
}

// Readout of the last layer: where no word flips a bit, its phases drop out and its permutation is an index.
template <class T>
struct Readout {
    using V = Vec<T>;

    const Program& p;
    const int32_t* to;  // last permutation, or null
    Vec<T>* sums;       // (2^n), scratch

    size_t size() const { return static_cast<size_t>(1) << p.n_bits; }
    size_t index(size_t x) const { return to ? static_cast<size_t>(to[x]) : x; }

    // visit(x, output) for each basis state that a register counts.
    template <class Visit>
    void for_outcomes(const Register& found, Visit visit) const {
        for (size_t x = 0; x < size(); ++x) {
            if (x & found.zero) continue;
            int64_t output = found.first;
            for (int k = 0; k < found.count; ++k) output += static_cast<int64_t>(x >> found.bits[k] & 1) << k;
            visit(x, output);
        }
    }

    // factor Re <left|O|right> for each output O: result[output * stride]; gives Re <left|right>.
    V between(const V* left, const V* right, V factor, V* result, int64_t stride) const {
        for (int64_t o = 0; o < p.n_outputs; ++o) result[o * stride] = V{};
        auto add = [&](const Word& word, V value) {
            result[word.output * stride] += factor * value * static_cast<T>(word.coefficient);
        };
        for (int w = p.n_flat_words; w < p.n_words; ++w)
            add(p.words[w], word_between<T>(left, right, p.n_bits, p.words[w]));
        for (size_t x = 0; x < size(); ++x)
            sums[index(x)] = left[2 * x] * right[2 * x] + left[2 * x + 1] * right[2 * x + 1];
        for (int r = 0; r < p.n_registers; ++r)
            for_outcomes(p.registers[r], [&](size_t x, int64_t o) { result[o * stride] += factor * sums[x]; });
        V by_bit[32];
        if (p.single_words)
            fold(sums, p.n_bits, by_bit);
        else
            sign_transform(sums, p.n_bits);
        for (int w = 0; w < p.n_flat_words; ++w) {
            const uint32_t sign = p.words[w].sign;
            add(p.words[w], p.single_words ? by_bit[__builtin_ctz(sign)] : sums[sign]);
        }
        return sums[0];
    }

    // sums[x]: how much the outputs' gradients weigh the basis state x; words that flip bits are left out.
    void weigh(const V* grads, int64_t stride) const {
        for (size_t x = 0; x < size(); ++x) sums[x] = V{};
        for (int w = 0; w < p.n_flat_words; ++w) sums[p.words[w].sign] += weight(p.words[w], grads, stride);
        if (p.n_flat_words > 0) spread_signs();
        for (int r = 0; r < p.n_registers; ++r)
            for_outcomes(p.registers[r], [&](size_t x, int64_t o) { sums[x] += grads[o * stride]; });
    }

    V weight(const Word& word, const V* grads, int64_t stride) const {
        return grads[word.output * stride] * static_cast<T>(word.coefficient);
    }

    void spread_signs() const {
        if (!p.single_words) {
            sign_transform(sums, p.n_bits);
            return;
        }
        V first = {};
        for (int b = 0; b < p.n_bits; ++b) first += sums[static_cast<size_t>(1) << b];
        sums[0] = first;
        for (int b = 0; b < p.n_bits; ++b) {
            const size_t half = static_cast<size_t>(1) << b;
            const V down = sums[half] + sums[half];
            for (size_t x = 0; x < half; ++x) sums[half + x] = sums[x] - down;
        }
    }

    // Copies a final state and writes its dual, sum over outputs of grads[output * stride] O state.
    void pull_back(const V* from, V* state, V* dual, const V* grads, int64_t stride) const {
        weigh(grads, stride);
        for (size_t x = 0; x < size(); ++x) {
            const V o = sums[index(x)], a = from[2 * x], b = from[2 * x + 1];
            state[2 * x] = a, state[2 * x + 1] = b;
            dual[2 * x] = o * a, dual[2 * x + 1] = o * b;
        }
        add_words(dual, state, grads, stride);
    }

    // The same for a tangent, which also adds to the dual of the state.
    void pull_back_tangent(const V* from, const V* state, V* tangent, V* dual, V* dual_tangent, const V* grads,
                           int64_t stride) const {
        weigh(grads, stride);
        for (size_t x = 0; x < size(); ++x) {
            const V o = sums[index(x)], a = from[2 * x], b = from[2 * x + 1];
            tangent[2 * x] = a, tangent[2 * x + 1] = b;
            dual[2 * x] += o * a, dual[2 * x + 1] += o * b;
            dual_tangent[2 * x] = o * state[2 * x], dual_tangent[2 * x + 1] = o * state[2 * x + 1];
        }
        add_words(dual, tangent, grads, stride);
        add_words(dual_tangent, state, grads, stride);
    }

    void add_words(V* dual, const V* state, const V* grads, int64_t stride) const {
        for (int w = p.n_flat_words; w < p.n_words; ++w)
            add_word<T>(dual, state, p.n_bits, p.words[w], weight(p.words[w], grads, stride));
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
