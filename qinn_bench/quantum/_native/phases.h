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

// by_bit[b] = sum of a[x], with the minus sign where x has bit b; `a` is used up.
template <class V>
static void fold(V* a, int n, V* by_bit) {
    for (int b = n - 1; b >= 0; --b) {
        const size_t half = static_cast<size_t>(1) << b;
        V difference = {};
        for (size_t x = 0; x < half; ++x) {
            difference += a[x] - a[x + half];
            a[x] += a[x + half];
        }
        by_bit[b] = difference;
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
    Vec<T>* table;  // (2^n, 2) where there are many states
    Vec<T>* low;    // (factor_size(n))
    Vec<T>* phase;  // (2^n)

    const int32_t* permutation(int layer) const {
        return p.perm_at[layer] < 0 ? nullptr : p.perms + p.perm_at[layer];
    }

    int low_bits() const { return p.n_bits / 2; }
    static size_t factor_size(int n) {
        return 4 * ((static_cast<size_t>(1) << n / 2) + (static_cast<size_t>(1) << (n - n / 2)));
    }
    Vec<T>* high() const { return low + (static_cast<size_t>(2) << low_bits()); }
    Vec<T>* next_low() const { return high() + (static_cast<size_t>(2) << (p.n_bits - low_bits())); }
    Vec<T>* next_high() const { return next_low() + (static_cast<size_t>(2) << low_bits()); }

    // Tables over the low and over the high bits, from which `make` makes the phases of all bits: for many states here,
    // for one where they are wanted.
    void build(int layer) const {
        using V = Vec<T>;
        const int n = p.n_bits, here = layer * n, next = here + n, k = low_bits();
        const bool more = layer + 1 < p.n_layers, apart = permutation(layer) != nullptr;
        low[0] = high()[0] = splat<T>(1), low[1] = high()[1] = V{};
        if (more && apart) next_low()[0] = next_high()[0] = splat<T>(1), next_low()[1] = next_high()[1] = V{};
        for (int b = 0; b < n; ++b) {
            const bool after = p.kinds[here + b] != NONE, before = more && p.kinds[next + b] != NONE;
            V qr = splat<T>(1), qi = {};
            if (after) qr = turns[here + b].ar, qi = turns[here + b].ai;
            if (before && !apart) multiply(qr, qi, turns[next + b].gr, turns[next + b].gi);
            double_table<T>(b < k ? low : high(), b < k ? b : b - k, !after && (!before || apart), qr, qi);
            if (more && apart)
                double_table<T>(b < k ? next_low() : next_high(), b < k ? b : b - k, !before, turns[next + b].gr,
                                turns[next + b].gi);
        }
        if (has_fed_terms(layer)) add_fed_terms(layer);
        if (call.n_states == 1) return;
        make(layer, 0, static_cast<size_t>(1) << n,
             [this](size_t x, V re, V im) { table[2 * x] = re, table[2 * x + 1] = im; });
    }

    bool has_fed_terms(int layer) const {
        bool any = false;
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k)
            any = any || p.angles[p.terms[k].angle].input >= 0;
        return any;
    }

    void add_fed_terms(int layer) const {
        using V = Vec<T>;
        for (size_t x = 0; x < static_cast<size_t>(1) << p.n_bits; ++x) phase[x] = V{};
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k) {
            const Term& term = p.terms[k];
            const Angle& a = p.angles[term.angle];
            if (a.input < 0) continue;
            V angle = inputs[a.input] * call.slope[term.angle] + call.base[term.angle];
            phase[term.mask] -= angle * static_cast<T>(0.5);
        }
        sign_transform(phase, p.n_bits);
    }

    // visit(x, re, im) with the phase of each of `count` basis states from `first` on; from the table where there are
    // many states, made on the way for one.
    template <class Visit>
    void each(int layer, size_t first, size_t count, Visit visit) const {
        if (call.n_states == 1)
            make(layer, first, count, visit);
        else
            for (size_t x = first; x < first + count; ++x) visit(x, table[2 * x], table[2 * x + 1]);
    }

    template <class Visit>
    void make(int layer, size_t first, size_t count, Visit visit) const {
        const int k = low_bits();
        const size_t mask = (static_cast<size_t>(1) << k) - 1;
        const int32_t* to = layer + 1 < p.n_layers ? permutation(layer) : nullptr;
        const T* shared = call.table_at[layer] < 0 ? nullptr : call.tables + call.table_at[layer];
        const bool fed = has_fed_terms(layer);
        const Vec<T>*high = this->high(), *next_low = this->next_low(), *next_high = this->next_high();
        const size_t step = count < mask + 1 ? count : mask + 1;
        for (size_t from = first; from < first + count; from += step) {
            const Vec<T> high_re = high[2 * (from >> k)], high_im = high[2 * (from >> k) + 1];
            for (size_t x = from; x < from + step; ++x) {
                Vec<T> re = low[2 * (x & mask)], im = low[2 * (x & mask) + 1];
                multiply(re, im, high_re, high_im);
                if (to) {
                    const size_t i = 2 * (to[x] & mask), j = 2 * (static_cast<size_t>(to[x]) >> k);
                    Vec<T> c = next_low[i], s = next_low[i + 1];
                    multiply(c, s, next_high[j], next_high[j + 1]);
                    multiply(re, im, c, s);
                }
                if (shared) multiply(re, im, splat<T>(shared[2 * x]), splat<T>(shared[2 * x + 1]));
                if (fed) {
                    Vec<T> s, c;
                    sine_cosine<T>(phase[x], s, c);
                    multiply(re, im, c, s);
                }
                visit(x, re, im);
            }
        }
    }

    // out[to[x]] = table[x] in[x] for `count` amplitudes from `first`; in place where there is no permutation.
    void apply(int layer, const Vec<T>* in, Vec<T>* out, size_t first, size_t count) const {
        const int32_t* to = permutation(layer);
        each(layer, first, count, [=](size_t x, Vec<T> c, Vec<T> s) {
            Vec<T> re = in[2 * x], im = in[2 * x + 1];
            multiply(re, im, c, s);
            const size_t at = 2 * (to ? static_cast<size_t>(to[x]) : x);
            out[at] = re, out[at + 1] = im;
        });
    }

    // The same for the product of `factor` and the real numbers in[x - first].
    void start(int layer, const Vec<T>* in, Vec<T> factor, Vec<T>* out, size_t first, size_t count) const {
        const int32_t* to = permutation(layer);
        each(layer, first, count, [=](size_t x, Vec<T> c, Vec<T> s) {
            const Vec<T> real = in[x - first] * factor;
            const size_t at = 2 * (to ? static_cast<size_t>(to[x]) : x);
            out[at] = c * real, out[at + 1] = s * real;
        });
    }

    // The reverse of apply for a state and its dual; sums[x] += Im(dual* state), which the phases do not change.
    void unapply(int layer, const Vec<T>* state, const Vec<T>* dual, Vec<T>* state_out, Vec<T>* dual_out, Vec<T>* sums,
                 size_t first, size_t count) const {
        using V = Vec<T>;
        const int32_t* to = permutation(layer);
        each(layer, first, count, [=](size_t x, V c, V s) {
            const size_t at = 2 * (to ? static_cast<size_t>(to[x]) : x);
            V ar = state[at], ai = state[at + 1], br = dual[at], bi = dual[at + 1];
            sums[x] += br * ai - bi * ar;
            multiply(ar, ai, c, -s);
            multiply(br, bi, c, -s);
            state_out[2 * x] = ar, state_out[2 * x + 1] = ai, dual_out[2 * x] = br, dual_out[2 * x + 1] = bi;
        });
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
