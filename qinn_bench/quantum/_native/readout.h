// Expectation values of Pauli words, their derivatives along tangents, and the dual states these give.
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

// Readout of the last layer: with diagonal words only, its phases drop out and its permutation is an index.
template <class T>
struct Readout {
    const Program& p;
    const int32_t* to;  // last permutation, or null
    Vec<T>* sums;       // (2^n), scratch

    // Re <left|word|right> for each word: result[word * stride]
    void between(const Vec<T>* left, const Vec<T>* right, Vec<T> factor, Vec<T>* result, int stride) const {
        if (!p.diagonal_words) {
            for (int w = 0; w < p.n_words; ++w)
                result[w * stride] = factor * word_between<T>(left, right, p.n_bits, p.words[w]);
            return;
        }
        for (size_t x = 0; x < static_cast<size_t>(1) << p.n_bits; ++x)
            sums[to ? to[x] : x] = left[2 * x] * right[2 * x] + left[2 * x + 1] * right[2 * x + 1];
        if (p.single_words) {
            Vec<T> by_bit[32];
            fold(sums, p.n_bits, by_bit);
            for (int w = 0; w < p.n_words; ++w)
                result[w * stride] = factor * by_bit[__builtin_ctz(p.words[w].sign)];
            return;
        }
        sign_transform(sums, p.n_bits);
        for (int w = 0; w < p.n_words; ++w) result[w * stride] = factor * sums[p.words[w].sign];
    }

    // sums[x] = sum over words of grads[word * stride] (-1)^|to[x] & sign|, before the permutation
    void weigh(const Vec<T>* grads, int stride) const {
        using V = Vec<T>;
        const size_t size = static_cast<size_t>(1) << p.n_bits;
        for (size_t x = 0; x < size; ++x) sums[x] = V{};
        for (int w = 0; w < p.n_words; ++w) sums[p.words[w].sign] += grads[w * stride];
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

    // Copies a final state and writes its dual, sum over words of grads[word * stride] word state.
    void pull_back(const Vec<T>* from, Vec<T>* state, Vec<T>* dual, const Vec<T>* grads, int stride) const {
        if (!p.diagonal_words) {
            copy(from, state);
            add_words(dual, state, grads, stride, true);
            return;
        }
        weigh(grads, stride);
        for (size_t x = 0; x < static_cast<size_t>(1) << p.n_bits; ++x) {
            const Vec<T> o = sums[to ? to[x] : x], a = from[2 * x], b = from[2 * x + 1];
            state[2 * x] = a, state[2 * x + 1] = b;
            dual[2 * x] = o * a, dual[2 * x + 1] = o * b;
        }
    }

    // The same for a tangent, which also adds to the dual of the state.
    void pull_back_tangent(const Vec<T>* from, const Vec<T>* state, Vec<T>* tangent, Vec<T>* dual, Vec<T>* dual_tangent,
                           const Vec<T>* grads, int stride) const {
        if (!p.diagonal_words) {
            copy(from, tangent);
            add_words(dual, tangent, grads, stride, false);
            add_words(dual_tangent, state, grads, stride, true);
            return;
        }
        weigh(grads, stride);
        for (size_t x = 0; x < static_cast<size_t>(1) << p.n_bits; ++x) {
            const Vec<T> o = sums[to ? to[x] : x], a = from[2 * x], b = from[2 * x + 1];
            tangent[2 * x] = a, tangent[2 * x + 1] = b;
            dual[2 * x] += o * a, dual[2 * x + 1] += o * b;
            dual_tangent[2 * x] = o * state[2 * x], dual_tangent[2 * x + 1] = o * state[2 * x + 1];
        }
    }

    void copy(const Vec<T>* from, Vec<T>* state) const {
        std::memcpy(static_cast<void*>(state), from, (sizeof(Vec<T>) * 2) << p.n_bits);
    }

    void add_words(Vec<T>* dual, const Vec<T>* state, const Vec<T>* grads, int stride, bool fresh) const {
        if (fresh) std::memset(static_cast<void*>(dual), 0, (sizeof(Vec<T>) * 2) << p.n_bits);
        for (int w = 0; w < p.n_words; ++w) add_word<T>(dual, state, p.n_bits, p.words[w], grads[w * stride]);
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
