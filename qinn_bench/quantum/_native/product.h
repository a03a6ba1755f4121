// The real product state that a circuit starts from, and what a dual has to do with it: the inner products of the first
// layer come from contractions of the dual, so that no sweep over both states is needed for each bit.
#pragma once
#include "runs.h"

namespace qinn {
namespace QINN_ISA {

// Amplitudes of bits [first, last), in the order of the basis: the RY of the first layer on |0>.
template <class T>
static void product_state(const Kind* kinds, const Turn<T>* turns, int first, int last, Vec<T>* real) {
    real[0] = splat<T>(1);
    for (int b = first; b < last; ++b) {
        const size_t half = static_cast<size_t>(1) << (b - first);
        const bool turning = kinds[b] == TURNING;
        for (size_t x = 0; x < half; ++x) {
            real[half + x] = turning ? real[x] * turns[b].s : Vec<T>{};
            if (turning) real[x] *= turns[b].c;
        }
    }
}

// Im <dual|X|state> and Im <dual|Y|state> for each bit of a product state.
template <class T>
struct ProductOverlaps {
    using V = Vec<T>;

    const Kind* kinds;
    const Turn<T>* turns;
    int n, low_bits;
    V *low, *high;        // the product state over the low and over the high bits
    V *by_low, *by_high;  // the dual, contracted with the high and with the low bits; room for twice as much

    // Numbers of memory.
    static size_t room(int n, int low_bits) {
        return 5 * ((static_cast<size_t>(1) << low_bits) + (static_cast<size_t>(1) << (n - low_bits)));
    }

    ProductOverlaps(const Kind* kinds_, const Turn<T>* turns_, int n_, int low_bits_, V* memory)
        : kinds(kinds_), turns(turns_), n(n_), low_bits(low_bits_) {
        low = memory, high = low + piece();
        by_low = high + pieces(), by_high = by_low + 4 * piece();
        product_state<T>(kinds, turns, 0, low_bits, low);
        product_state<T>(kinds, turns, low_bits, n, high);
        for (size_t i = 0; i < 2 * piece(); ++i) by_low[i] = V{};
    }

    size_t piece() const { return static_cast<size_t>(1) << low_bits; }
    size_t pieces() const { return static_cast<size_t>(1) << (n - low_bits); }

    // Takes the piece over the high bits `at` of a state near the product state and of its dual; gives the squared
    // distance of this part of the state.
    V add(size_t at, const V* state, const V* dual) const {
        const V factor = high[at];
        V re = {}, im = {}, real = {}, imaginary = {};
        for (size_t x = 0; x < piece(); ++x) {
            const V a = dual[2 * x], b = dual[2 * x + 1], off = state[2 * x] - factor * low[x];
            real += off * off, imaginary += state[2 * x + 1] * state[2 * x + 1];
            re += low[x] * a, im += low[x] * b;
            by_low[2 * x] += factor * a, by_low[2 * x + 1] += factor * b;
        }
        by_high[2 * at] = re, by_high[2 * at + 1] = im;
        return real + imaginary;
    }

    // visit(bit, about x, about y)
    template <class Visit>
    void finish(Visit visit) const {
        contract(by_low, low, 0, low_bits, visit);
        contract(by_high, high, low_bits, n, visit);
    }

  private:
    // Downwards all bits above are contracted, upwards all bits below.
    template <class Visit>
    void contract(V* dual, V* table, int first, int last, Visit visit) const {
        V* left[32];
        for (int b = last - 1; b >= first; --b) {
            const size_t half = static_cast<size_t>(2) << (b - first);
            V* next = dual + 2 * half;
            left[b] = dual;
            for (size_t i = 0; i < half && b > first; ++i)
                next[i] = kinds[b] == TURNING ? dual[i] * turns[b].c + dual[half + i] * turns[b].s : dual[i];
            dual = next;
        }
        for (int b = first; b < last; ++b) {
            const size_t half = static_cast<size_t>(1) << (b - first);
            product_state<T>(kinds, turns, first, b, table);
            if (kinds[b] != TURNING) continue;
            const V *down = left[b], *up = down + 2 * half;
            V down_re = {}, down_im = {}, up_re = {}, up_im = {};
            for (size_t x = 0; x < half; ++x) {
                down_re += table[x] * down[2 * x], down_im += table[x] * down[2 * x + 1];
                up_re += table[x] * up[2 * x], up_im += table[x] * up[2 * x + 1];
            }
            const V c = turns[b].c, s = turns[b].s;
            visit(b, -(down_im * s + up_im * c), up_re * c - down_re * s);
        }
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
