// Exponentials and logarithms of lanes, in the relative precision of their type; included once per instruction set.
#pragma once
#include "lanes.h"

namespace qinn {
namespace QINN_ISA {

// ln 2 in two parts, the first of which has zeros at its end, so that multiples of it are exact.
template <class T>
struct Binary;

template <>
struct Binary<float> {
    static constexpr int shift = 23, terms_of_exp = 8, terms_of_log = 5;
    static constexpr int32_t bias = 127, mantissa = 0x7fffff;
    static constexpr float magic = 12582912.0f, lowest = -87.0f, highest = 88.0f, largest = 3.4e38f;
    static constexpr float ln2[2] = {0.693359375f, -2.12194440e-4f};
};

template <>
struct Binary<double> {
    static constexpr int shift = 52, terms_of_exp = 14, terms_of_log = 11;
    static constexpr int64_t bias = 1023, mantissa = 0xfffffffffffff;
    static constexpr double magic = 6755399441055744.0, lowest = -708.0, highest = 709.0, largest = 1.79e308;
    static constexpr double ln2[2] = {6.93145751953125e-1, 1.42860682030941723212e-6};
};

template <class T>
using Bits = typename Lanes<T>::I;

template <class To, class From>
QINN_INLINE To same_bits(From from) {
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

template <class V>
QINN_INLINE V larger(V a, V b) {
    return a > b ? a : b;
}

// e^x by x = k ln 2 + r and the series in r; held within the range of normal numbers, NaN stays NaN.
template <class T>
QINN_INLINE Vec<T> exponential(Vec<T> x) {
    using B = Binary<T>;
    using V = Vec<T>;
    const V low = splat<T>(B::lowest), high = splat<T>(B::highest);
    x = x < low ? low : x;
    x = x > high ? high : x;
    const V shifted = x * static_cast<T>(1.44269504088896340736) + B::magic;
    const V k = shifted - B::magic;
    const Bits<T> whole = same_bits<Bits<T>>(shifted) - same_bits<Bits<T>>(splat<T>(B::magic));
    V r = x - k * B::ln2[0];
    r -= k * B::ln2[1];
    V sum = splat<T>(static_cast<T>(1));
    for (int n = B::terms_of_exp - 1; n > 0; --n) sum = sum * r * static_cast<T>(1.0 / n) + static_cast<T>(1);
    return sum * same_bits<V>((whole + B::bias) << B::shift);
}

// ln x of positive normal numbers by x = 2^e m, m near 1, and ln m = 2 artanh((m - 1) / (m + 1)).
template <class T>
QINN_INLINE Vec<T> logarithm(Vec<T> x) {
    using B = Binary<T>;
    using V = Vec<T>;
    const Bits<T> bits = same_bits<Bits<T>>(x);
    Bits<T> exponent = (bits >> B::shift) - B::bias;
    V m = same_bits<V>((bits & B::mantissa) | (B::bias << B::shift));
    const Bits<T> above = m > static_cast<T>(1.41421356237309504880);
    m = above ? m * static_cast<T>(0.5) : m;
    exponent = above ? exponent + 1 : exponent;
    const V z = (m - static_cast<T>(1)) / (m + static_cast<T>(1)), z2 = z * z;
    V sum = splat<T>(static_cast<T>(1.0 / (2 * B::terms_of_log - 1)));
    for (int n = B::terms_of_log - 2; n >= 0; --n) sum = sum * z2 + static_cast<T>(1.0 / (2 * n + 1));
    const V e = __builtin_convertvector(exponent, V);
    const V found = e * B::ln2[0] + (z * sum * static_cast<T>(2) + e * B::ln2[1]);
    return x < splat<T>(B::largest) ? found : x;
}

// ln(1 + e^x), and its derivative e^x / (1 + e^x), without loss of small values.
template <class T>
QINN_INLINE Vec<T> softplus(Vec<T> x, Vec<T>& slope) {
    using V = Vec<T>;
    const V zero = {}, one = splat<T>(static_cast<T>(1));
    const V small = exponential<T>(x > zero ? -x : x), sum = one + small, added = sum - one;
    // Kahan: what rounding took from the argument is given back to the logarithm.
    const V rest = added == zero ? small : logarithm<T>(sum) * (small / (added == zero ? one : added));
    slope = x > zero ? one / sum : small / sum;
    return larger(x, zero) + rest;
}

}  // namespace QINN_ISA
}  // namespace qinn
