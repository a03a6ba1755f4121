// Passes over states (2^n amplitudes, re and im, lanes): rotations by shears, inner products, tangent injection.
#pragma once
#include <cstddef>

#include "lanes.h"
#include "runs.h"

namespace qinn {
namespace QINN_ISA {

// The RY of one layer: positions in the index of vectors (0 is re/im), ascending, and the shears of each.
template <class T>
struct Turns {
    int count = 0, low = 0;  // `low` of the bits lie within a piece
    int bits[32];
    Vec<T> p[32], s[32];
};

template <int K>
QINN_INLINE size_t spread(size_t group, const int* bits) {
    for (int k = 0; k < K; ++k) {
        size_t low = (static_cast<size_t>(1) << bits[k]) - 1;
        group = ((group & ~low) << 1) | (group & low);
    }
    return group;
}

template <class V>
QINN_INLINE void shear(V& a, V& b, V p, V s) {
    a += p * b;
    b += s * a;
    a += p * b;
}

// RY on K bits; `ahead` is memory that the next pass will want, fetched meanwhile.
template <class T, int K>
static void turn_group(Vec<T>* a, int n_bits, const int* bits, const Vec<T>* ps, const Vec<T>* ss,
                       const Vec<T>* ahead) {
    using V = Vec<T>;
    constexpr int size = 1 << K;
    V p[K], s[K];
    size_t at[size];
    for (int k = 0; k < K; ++k) p[k] = ps[k], s[k] = ss[k];
    for (int i = 0; i < size; ++i) {
        at[i] = 0;
        for (int k = 0; k < K; ++k) at[i] |= static_cast<size_t>((i >> k) & 1) << bits[k];
    }
    const size_t groups = static_cast<size_t>(1) << (n_bits - K);
    for (size_t g = 0; g < groups; ++g) {
        V* b = a + spread<K>(g, bits);
        V r[size];
#pragma GCC unroll 16
        for (int i = 0; i < size; ++i) {
            r[i] = b[at[i]];
            if (ahead != nullptr) __builtin_prefetch(ahead + g * size + i);
        }
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k)
#pragma GCC unroll 16
            for (int i = 0; i < size; ++i)
                if (!(i >> k & 1)) shear(r[i], r[i | 1 << k], p[k], s[k]);
#pragma GCC unroll 16
        for (int i = 0; i < size; ++i) b[at[i]] = r[i];
    }
}

template <class T>
static void turn_some(Vec<T>* a, int n_bits, const Turns<T>& t, int first, int last, const Vec<T>* ahead = nullptr) {
    while (first < last) {
        const int* bits = t.bits + first;
        const Vec<T>*p = t.p + first, *s = t.s + first;
        const int left = last - first;
        if (left >= 4 && QINN_DEEP >= 4 && left != 5 && left != 6) {
            turn_group<T, 4>(a, n_bits, bits, p, s, ahead), first += 4;
        } else if (left >= 3) {
            turn_group<T, 3>(a, n_bits, bits, p, s, ahead), first += 3;
        } else if (left == 2) {
            turn_group<T, 2>(a, n_bits, bits, p, s, ahead), first += 2;
        } else {
            turn_group<T, 1>(a, n_bits, bits, p, s, ahead), first += 1;
        }
        ahead = nullptr;
    }
}

// For each bit: y += Im <dual|Y|state>; then both states are turned by the shears.
template <class T, int K>
static void pull_group(Vec<T>* a, Vec<T>* b, int n_bits, const int* bits, const Vec<T>* ps, const Vec<T>* ss, Vec<T>* y,
                       const Vec<T>* ahead_a, const Vec<T>* ahead_b) {
    using V = Vec<T>;
    constexpr int size = 1 << K;
    V p[K], s[K], plus[K], minus[K];
    size_t at[size];
    for (int k = 0; k < K; ++k) p[k] = ps[k], s[k] = ss[k], plus[k] = y[k], minus[k] = V{};
    for (int i = 0; i < size; ++i) {
        at[i] = 0;
        for (int k = 0; k < K; ++k) at[i] |= static_cast<size_t>((i >> k) & 1) << bits[k];
    }
    const size_t groups = static_cast<size_t>(1) << (n_bits - K);
    for (size_t g = 0; g < groups; ++g) {
        const size_t base = spread<K>(g, bits);
        V *from_a = a + base, *from_b = b + base;
        V ra[size], rb[size];
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) {
            ra[i] = from_a[at[i]], rb[i] = from_b[at[i]];
            if (ahead_a == nullptr) continue;
            __builtin_prefetch(ahead_a + g * size + i), __builtin_prefetch(ahead_b + g * size + i);
        }
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
            for (int i = 0; i < size; ++i) {
                if (i >> k & 1) continue;
                const int j = i | 1 << k;
                plus[k] += rb[j] * ra[i];
                minus[k] += rb[i] * ra[j];
                shear(ra[i], ra[j], p[k], s[k]);
                shear(rb[i], rb[j], p[k], s[k]);
            }
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) from_a[at[i]] = ra[i], from_b[at[i]] = rb[i];
    }
    for (int k = 0; k < K; ++k) y[k] = plus[k] - minus[k];
}

template <class T>
static void pull_some(Vec<T>* a, Vec<T>* b, int n_bits, const Turns<T>& t, int first, int last, Vec<T>* y,
                      const Vec<T>* ahead_a = nullptr, const Vec<T>* ahead_b = nullptr) {
    while (first < last) {
        const int* bits = t.bits + first;
        const Vec<T>*p = t.p + first, *s = t.s + first;
        const int left = last - first;
        if (left >= 3 && left != 4 && QINN_DEEP >= 4) {
            pull_group<T, 3>(a, b, n_bits, bits, p, s, y + first, ahead_a, ahead_b), first += 3;
        } else if (left >= 2) {
            pull_group<T, 2>(a, b, n_bits, bits, p, s, y + first, ahead_a, ahead_b), first += 2;
        } else {
            pull_group<T, 1>(a, b, n_bits, bits, p, s, y + first, ahead_a, ahead_b), first += 1;
        }
        ahead_a = ahead_b = nullptr;
    }
}

// Im <dual|X|state> on one bit
template <class T>
static Vec<T> pull_x(const Vec<T>* state, const Vec<T>* dual, int n, int bit) {
    Vec<T> x = {}, y = {};
    for (size_t g = 0; g < static_cast<size_t>(1) << (n - 1); ++g) {
        const size_t i = 2 * spread<1>(g, &bit), j = i + (static_cast<size_t>(2) << bit);
        x += dual[i] * state[j + 1], x -= dual[i + 1] * state[j];
        y += dual[j] * state[i + 1], y -= dual[j + 1] * state[i];
    }
    return x + y;
}

// tangent += -i/2 (h.sigma on `bit`) state
template <class T>
static void inject(Vec<T>* tangent, const Vec<T>* state, int n, int bit, const Axis3<T>& axis) {
    using V = Vec<T>;
    const V hx = axis.x * static_cast<T>(0.5), hy = axis.y * static_cast<T>(0.5), hz = axis.z * static_cast<T>(0.5);
    const size_t step = static_cast<size_t>(2) << bit;
    for (size_t g = 0; g < static_cast<size_t>(1) << (n - 1); ++g) {
        const size_t i = 2 * spread<1>(g, &bit), j = i + step;
        V ar = state[i], ai = state[i + 1], br = state[j], bi = state[j + 1];
        V gr = tangent[i], gi = tangent[i + 1], kr = tangent[j], ki = tangent[j + 1];
        gr += hz * ai, gr += hx * bi, gr -= hy * br;
        gi -= hz * ar, gi -= hx * br, gi -= hy * bi;
        kr += hx * ai, kr += hy * ar, kr -= hz * bi;
        ki -= hx * ar, ki += hy * ai, ki += hz * br;
        tangent[i] = gr, tangent[i + 1] = gi, tangent[j] = kr, tangent[j + 1] = ki;
    }
}

// The reverse of inject: pulled += Im <dual_tangent|sigma|state>, dual += i/2 (h.sigma) dual_tangent; with `undo`
// the injection is also taken back from the tangent.
template <class T, bool undo>
static void eject(Vec<T>* tangent, const Vec<T>* dual_tangent, const Vec<T>* state, Vec<T>* dual, int n, int bit,
                  const Axis3<T>& axis, Axis3<T>& pulled) {
    using V = Vec<T>;
    const V hx = axis.x * static_cast<T>(0.5), hy = axis.y * static_cast<T>(0.5), hz = axis.z * static_cast<T>(0.5);
    const size_t step = static_cast<size_t>(2) << bit;
    V x = {}, y = {}, z = {}, x2 = {}, y2 = {}, z2 = {};
    for (size_t g = 0; g < static_cast<size_t>(1) << (n - 1); ++g) {
        const size_t i = 2 * spread<1>(g, &bit), j = i + step;
        V ar = state[i], ai = state[i + 1], br = state[j], bi = state[j + 1];
        V cr = dual_tangent[i], ci = dual_tangent[i + 1], dr = dual_tangent[j], di = dual_tangent[j + 1];
        V er = dual[i], ei = dual[i + 1], fr = dual[j], fi = dual[j + 1];
        V gr = tangent[i], gi = tangent[i + 1], kr = tangent[j], ki = tangent[j + 1];
        x += cr * bi, x -= ci * br, x2 += dr * ai, x2 -= di * ar;
        y += dr * ar, y += di * ai, y2 += cr * br, y2 += ci * bi;
        z += cr * ai, z -= ci * ar, z2 += dr * bi, z2 -= di * br;
        er -= hz * ci, er -= hx * di, er += hy * dr;
        ei += hz * cr, ei += hx * dr, ei += hy * di;
        fr -= hx * ci, fr -= hy * cr, fr += hz * di;
        fi += hx * cr, fi -= hy * ci, fi -= hz * dr;
        dual[i] = er, dual[i + 1] = ei, dual[j] = fr, dual[j + 1] = fi;
        if (!undo) continue;
        gr -= hz * ai, gr -= hx * bi, gr += hy * br;
        gi += hz * ar, gi += hx * br, gi += hy * bi;
        kr -= hx * ai, kr -= hy * ar, kr += hz * bi;
        ki += hx * ar, ki -= hy * ai, ki -= hz * br;
        tangent[i] = gr, tangent[i + 1] = gi, tangent[j] = kr, tangent[j + 1] = ki;
    }
    pulled.x += x + x2, pulled.y += y - y2, pulled.z += z - z2;
}

}  // namespace QINN_ISA
}  // namespace qinn
