// One sample whose amplitudes fill the lanes: the lowest bits of an index are the lane, the others count the vectors.
#pragma once
#include <utility>

#include "phases.h"

namespace qinn {
namespace QINN_ISA {

constexpr int log_of(int width) { return width == 1 ? 0 : 1 + log_of(width / 2); }

template <class T>
constexpr int lane_bits = log_of(Lanes<T>::width);

template <class T, int mask, size_t... lane>
QINN_INLINE Vec<T> flipped_(Vec<T> a, std::index_sequence<lane...>) {
#ifdef __clang__
    return __builtin_shufflevector(a, a, (lane ^ mask)...);
#else
    return __builtin_shuffle(a, typename Lanes<T>::I{(lane ^ mask)...});
#endif
}

// Lane i gets lane i ^ mask.
template <class T, int mask>
QINN_INLINE Vec<T> flipped(Vec<T> a) {
    return flipped_<T, mask>(a, std::make_index_sequence<Lanes<T>::width>());
}

// Lane i gets lane at[i].
template <class T>
QINN_INLINE Vec<T> permuted(Vec<T> a, typename Lanes<T>::I at) {
#ifdef __clang__
    Vec<T> b;
    for (int i = 0; i < Lanes<T>::width; ++i) b[i] = a[at[i]];
    return b;
#else
    return __builtin_shuffle(a, at);
#endif
}

template <class T>
QINN_INLINE typename Lanes<T>::I lane_numbers() {
    typename Lanes<T>::I numbers;
    for (int i = 0; i < Lanes<T>::width; ++i) numbers[i] = i;
    return numbers;
}

// -1 to the number of bits that the lane and the mask share
template <class T>
QINN_INLINE Vec<T> lane_signs(int mask) {
    Vec<T> signs;
    for (int i = 0; i < Lanes<T>::width; ++i) signs[i] = static_cast<T>(__builtin_popcount(i & mask) & 1 ? -1 : 1);
    return signs;
}

// RY of the lane bits by half-angle (c, s): lane becomes c * lane + s * lane ^ bit, with s signed lane by lane.
template <class T>
struct LaneTurns {
    bool any = false;
    Vec<T> c[8], s[8];
};

template <class T, int b = 0>
QINN_INLINE void turn_lanes(Vec<T>& re, Vec<T>& im, const LaneTurns<T>& t) {
    if constexpr (b < lane_bits<T>) {
        re = t.c[b] * re + t.s[b] * flipped<T, 1 << b>(re);
        im = t.c[b] * im + t.s[b] * flipped<T, 1 << b>(im);
        turn_lanes<T, b + 1>(re, im, t);
    }
}

// Per lane bit the sums of lanes of which <dual|X|state> and <dual|Y|state> have their imaginary parts; then the turn.
template <class T, int b = 0>
QINN_INLINE void pull_lanes(Vec<T> a[4], const LaneTurns<T>& t, Vec<T>* x, Vec<T>* y) {
    if constexpr (b < lane_bits<T>) {
        const Vec<T> ar = flipped<T, 1 << b>(a[0]), ai = flipped<T, 1 << b>(a[1]);
        const Vec<T> br = flipped<T, 1 << b>(a[2]), bi = flipped<T, 1 << b>(a[3]);
        x[b] += a[2] * ai, x[b] -= a[3] * ar;
        y[b] += a[2] * ar, y[b] += a[3] * ai;
        a[0] = t.c[b] * a[0] + t.s[b] * ar, a[1] = t.c[b] * a[1] + t.s[b] * ai;
        a[2] = t.c[b] * a[2] + t.s[b] * br, a[3] = t.c[b] * a[3] + t.s[b] * bi;
        pull_lanes<T, b + 1>(a, t, x, y);
    }
}

template <class T, int b = 0>
QINN_INLINE Vec<T> transform_lanes(Vec<T> a) {
    if constexpr (b < lane_bits<T>) {
        const Vec<T> sum = flipped<T, 1 << b>(a) + a * lane_signs<T>(1 << b);
        return transform_lanes<T, b + 1>(sum);
    } else {
        return a;
    }
}

// The sign transform over lanes and vectors of 2^(lane_bits + n) numbers.
template <class T>
static void transform_signs(Vec<T>* a, int n) {
    sign_transform(a, n);
    for (size_t v = 0; v < static_cast<size_t>(1) << n; ++v) a[v] = transform_lanes<T>(a[v]);
}

// For K bits of vectors: x += Im <dual|X|state>, y += Im <dual|Y|state>; then both states are turned by the shears.
// `n` bits count the amplitudes (pairs of vectors), `bits` are positions among them plus one, as in Turns.
template <class T, int K>
static void pull_both_group(Vec<T>* a, Vec<T>* b, int n, const int* bits, const Vec<T>* ps, const Vec<T>* ss,
                            Vec<T>* xs, Vec<T>* ys) {
    using V = Vec<T>;
    constexpr int size = 1 << K;
    V p[K], s[K], x[K], y[K];
    size_t at[size];
    int places[K];
    for (int k = 0; k < K; ++k) p[k] = ps[k], s[k] = ss[k], x[k] = xs[k], y[k] = ys[k], places[k] = bits[k] - 1;
    for (int i = 0; i < size; ++i) {
        at[i] = 0;
        for (int k = 0; k < K; ++k) at[i] |= static_cast<size_t>((i >> k) & 1) << bits[k];
    }
    for (size_t g = 0; g < static_cast<size_t>(1) << (n - K); ++g) {
        const size_t base = 2 * spread<K>(g, places);
        V *from_a = a + base, *from_b = b + base;
        V ar[size], ai[size], br[size], bi[size];
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) {
            ar[i] = from_a[at[i]], ai[i] = from_a[at[i] + 1];
            br[i] = from_b[at[i]], bi[i] = from_b[at[i] + 1];
        }
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
            for (int i = 0; i < size; ++i) {
                if (i >> k & 1) continue;
                const int j = i | 1 << k;
                x[k] += br[i] * ai[j], x[k] -= bi[i] * ar[j], x[k] += br[j] * ai[i], x[k] -= bi[j] * ar[i];
                y[k] += br[j] * ar[i], y[k] += bi[j] * ai[i], y[k] -= br[i] * ar[j], y[k] -= bi[i] * ai[j];
                shear(ar[i], ar[j], p[k], s[k]), shear(ai[i], ai[j], p[k], s[k]);
                shear(br[i], br[j], p[k], s[k]), shear(bi[i], bi[j], p[k], s[k]);
            }
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) {
            from_a[at[i]] = ar[i], from_a[at[i] + 1] = ai[i];
            from_b[at[i]] = br[i], from_b[at[i] + 1] = bi[i];
        }
    }
    for (int k = 0; k < K; ++k) xs[k] = x[k], ys[k] = y[k];
}

template <class T>
static void pull_both(Vec<T>* a, Vec<T>* b, int n, const Turns<T>& t, Vec<T>* x, Vec<T>* y) {
    int k = 0;
    for (; QINN_DEEP >= 4 && k + 1 < t.count; k += 2)
        pull_both_group<T, 2>(a, b, n, t.bits + k, t.p + k, t.s + k, x + k, y + k);
    for (; k < t.count; ++k) pull_both_group<T, 1>(a, b, n, t.bits + k, t.p + k, t.s + k, x + k, y + k);
}

// (a + ib) *= table, over `count` pairs of vectors
template <class T>
static void times_table(Vec<T>* a, const Vec<T>* table, size_t count) {
    for (size_t i = 0; i < 2 * count; i += 2) multiply(a[i], a[i + 1], table[i], table[i + 1]);
}

// Copies pairs of vectors, times a number.
template <class T>
QINN_INLINE void copy_times(const Vec<T>* from, Vec<T>* to, size_t count, T re, T im) {
    const Vec<T> c = splat<T>(re), s = splat<T>(im);
    for (size_t i = 0; i < 2 * count; i += 2) {
        Vec<T> a = from[i], b = from[i + 1];
        multiply(a, b, c, s);
        to[i] = a, to[i + 1] = b;
    }
}

// Where the real part of amplitude x lies among the numbers of a state; the imaginary part lies one vector further.
template <class T>
QINN_INLINE size_t place_of(size_t x) {
    constexpr size_t width = Lanes<T>::width;
    return (x / width * 2 * width) | (x & (width - 1));
}

}  // namespace QINN_ISA
}  // namespace qinn
