// Diagonals and permutations of one layer: the table of phases, its application forth and back, sums over signs.
#pragma once
#include "passes.h"

namespace qinn {
namespace QINN_ISA {

// out[x] = sum over masks of (-1)^|x & mask| in[mask], in place.
template <class V>
static void sign_transform(V* a, int n) {
    const size_t size = static_cast<size_t>(1) << n;
    int bit = 0;
    for (; bit + 1 < n; bit += 2) {
        const size_t h = static_cast<size_t>(1) << bit;
        for (size_t block = 0; block < size; block += 4 * h)
            for (size_t i = block; i < block + h; ++i) {
                V w = a[i] + a[i + h], x = a[i] - a[i + h];
                V y = a[i + 2 * h] + a[i + 3 * h], z = a[i + 2 * h] - a[i + 3 * h];
                a[i] = w + y, a[i + h] = x + z, a[i + 2 * h] = w - y, a[i + 3 * h] = x - z;
            }
    }
    if (bit < n)
        for (size_t i = 0; i < size / 2; ++i) {
            V w = a[i] + a[i + size / 2], x = a[i] - a[i + size / 2];
            a[i] = w, a[i + size / 2] = x;
        }
}

template <class P>
QINN_INLINE void exchange(P& a, P& b) {
    P old = a;
    a = b, b = old;
}

// Doubles a table of phases by one bit: the upper half is the lower half times (qr, qi).
template <class T>
QINN_INLINE void double_table(Vec<T>* table, int bit, bool trivial, Vec<T> qr, Vec<T> qi) {
    using V = Vec<T>;
    const size_t half = static_cast<size_t>(2) << bit;
    if (trivial) {
        for (size_t i = 0; i < half; ++i) table[half + i] = table[i];
        return;
    }
    for (size_t i = 0; i < half; i += 2) {
        V re = table[i], im = table[i + 1];
        multiply(re, im, qr, qi);
        table[half + i] = re, table[half + i + 1] = im;
    }
}

// Phases that follow the RY of a layer, up to the RY of the next: diag(1, a) of each bit, the diagonal terms, and
// diag(1, g) of the next layer where it stands behind the permutation.
template <class T>
struct Phases {
    const Program& p;
    const Call<T>& call;
    const Turn<T>* turns;  // (n_layers * n_bits)
    const Vec<T>* inputs;
    Vec<T>*table, *other;  // (2^n, 2)
    Vec<T>* phase;         // (2^n)

    const int32_t* permutation(int layer) const {
        return p.perm_at[layer] < 0 ? nullptr : p.perms + p.perm_at[layer];
    }

    void build(int layer) const {
        using V = Vec<T>;
        const int n = p.n_bits, here = layer * n, next = here + n;
        const bool more = layer + 1 < p.n_layers, apart = permutation(layer) != nullptr;
        table[0] = splat<T>(1), table[1] = V{};
        for (int b = 0; b < n; ++b) {
            const bool after = p.kinds[here + b] != NONE, before = more && !apart && p.kinds[next + b] != NONE;
            V qr = splat<T>(1), qi = {};
            if (after) qr = turns[here + b].ar, qi = turns[here + b].ai;
            if (before) multiply(qr, qi, turns[next + b].gr, turns[next + b].gi);
            double_table<T>(table, b, !after && !before, qr, qi);
        }
        if (call.table_at[layer] >= 0) times_shared(call.tables + call.table_at[layer]);
        times_lane_terms(layer);
        if (more && apart) times_next(next, permutation(layer));
    }

    void times_shared(const T* shared) const {
        const size_t size = static_cast<size_t>(2) << p.n_bits;
        for (size_t i = 0; i < size; i += 2)
            multiply(table[i], table[i + 1], splat<T>(shared[i]), splat<T>(shared[i + 1]));
    }

    void times_lane_terms(int layer) const {
        using V = Vec<T>;
        const size_t size = static_cast<size_t>(1) << p.n_bits;
        bool any = false;
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k) {
            const Term& term = p.terms[k];
            const Angle& a = p.angles[term.angle];
            if (a.input < 0) continue;
            if (!any)
                for (size_t x = 0; x < size; ++x) phase[x] = V{};
            any = true;
            V angle = inputs[a.input] * call.slope[term.angle] + call.base[term.angle];
            phase[term.mask] -= angle * static_cast<T>(0.5);
        }
        if (!any) return;
        sign_transform(phase, p.n_bits);
        for (size_t x = 0; x < size; ++x) {
            V s, c;
            sine_cosine<T>(phase[x], s, c);
            multiply(table[2 * x], table[2 * x + 1], c, s);
        }
    }

    void times_next(int next, const int32_t* to) const {
        const size_t size = static_cast<size_t>(1) << p.n_bits;
        other[0] = splat<T>(1), other[1] = Vec<T>{};
        for (int b = 0; b < p.n_bits; ++b)
            double_table<T>(other, b, p.kinds[next + b] == NONE, turns[next + b].gr, turns[next + b].gi);
        for (size_t x = 0; x < size; ++x)
            multiply(table[2 * x], table[2 * x + 1], other[2 * to[x]], other[2 * to[x] + 1]);
    }

    // state[to[x]] = table[x] state[x]; the result lies in `spare` where there is a permutation, and the two are swapped.
    void apply(int layer, Vec<T>*& state, Vec<T>*& spare) const {
        using V = Vec<T>;
        const size_t size = static_cast<size_t>(1) << p.n_bits;
        const int32_t* to = permutation(layer);
        if (to == nullptr) {
            for (size_t i = 0; i < 2 * size; i += 2) multiply(state[i], state[i + 1], table[i], table[i + 1]);
            return;
        }
        for (size_t x = 0; x < size; ++x) {
            V re = state[2 * x], im = state[2 * x + 1];
            multiply(re, im, table[2 * x], table[2 * x + 1]);
            spare[2 * to[x]] = re, spare[2 * to[x] + 1] = im;
        }
        exchange(state, spare);
    }

    // The reverse of apply for a state and its dual, and before it (or after: it is the same) sums[x] += Im(dual* state).
    void unapply(int layer, Vec<T>*& state, Vec<T>*& dual, Vec<T>*& spare, Vec<T>*& dual_spare, Vec<T>* sums) const {
        using V = Vec<T>;
        const size_t size = static_cast<size_t>(1) << p.n_bits;
        const int32_t* to = permutation(layer);
        V *a = to ? spare : state, *b = to ? dual_spare : dual;
        for (size_t x = 0; x < size; ++x) {
            const size_t at = 2 * (to ? static_cast<size_t>(to[x]) : x);
            V ar = state[at], ai = state[at + 1], br = dual[at], bi = dual[at + 1];
            V c = table[2 * x], s = -table[2 * x + 1];
            sums[x] += br * ai - bi * ar;
            multiply(ar, ai, c, s);
            multiply(br, bi, c, s);
            a[2 * x] = ar, a[2 * x + 1] = ai, b[2 * x] = br, b[2 * x + 1] = bi;
        }
        if (to == nullptr) return;
        exchange(state, spare);
        exchange(dual, dual_spare);
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
