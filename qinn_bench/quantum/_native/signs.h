// Sums over the signs of basis states, gathered piece by piece: gradients of diagonal terms and generators about z.
#pragma once
#include "phases.h"

namespace qinn {
namespace QINN_ISA {

// Of numbers a[x], one per basis state: for each term of a layer the sum of (-1)^|x & mask| a[x], for each bit the sum
// with its sign before the layer's permutation and after it.
template <class T>
struct SignSums {
    using V = Vec<T>;

    const Program& p;
    V* totals;        // (room(p)): terms, bits before, bits after
    uint32_t* masks;  // (room(p))
    int terms = 0;
    const int32_t* to = nullptr;
    bool linear = true;

    static size_t room(const Program& p) {
        int most = 0;
        for (int layer = 0; layer < p.n_layers; ++layer) {
            const int terms = p.term_start[layer + 1] - p.term_start[layer];
            most = terms > most ? terms : most;
        }
        return static_cast<size_t>(most + 2 * p.n_bits);
    }

    V term(int k) const { return totals[k]; }
    const V* before() const { return totals + terms; }
    const V* after() const { return before() + (to ? p.n_bits : 0); }

    void start(int layer, const int32_t* permutation) {
        const int first = p.term_start[layer], n = p.n_bits;
        terms = p.term_start[layer + 1] - first, to = permutation, linear = true;
        for (int k = p.exchange_start[layer]; k < p.exchange_start[layer + 1]; ++k) linear &= p.exchanges[k].c < 0;
        for (int k = 0; k < terms + 2 * n; ++k) totals[k] = V{};
        for (int k = 0; k < terms; ++k) masks[k] = p.terms[first + k].mask;
        for (int b = 0; b < n; ++b) {
            uint32_t& image = masks[terms + n + b] = 0;
            masks[terms + b] = static_cast<uint32_t>(1) << b;
            // Bit b of an image is the parity of the bits whose own images hold it.
            for (int i = 0; to && linear && i < n; ++i)
                image |= static_cast<uint32_t>(to[static_cast<size_t>(1) << i] >> b & 1) << i;
        }
    }

    // Takes a[0] .. a[2^bits - 1], of the basis states from `first` on; they are used up.
    void add(V* a, size_t first, int bits) {
        const int n = p.n_bits, wanted = terms + n + (to && linear ? n : 0);
        const uint32_t within = (static_cast<uint32_t>(1) << bits) - 1;
        if (to && !linear) add_images(a, to + first, static_cast<size_t>(1) << bits);
        sign_transform(a, bits);
        for (int k = 0; k < wanted; ++k) {
            const V found = a[masks[k] & within];
            totals[k] += __builtin_parityll(first & masks[k]) ? -found : found;
        }
    }

  private:
    void add_images(const V* a, const int32_t* images, size_t count) {
        for (size_t x = 0; x < count; ++x)
            for (int b = 0; b < p.n_bits; ++b) totals[terms + p.n_bits + b] += images[x] >> b & 1 ? -a[x] : a[x];
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
