// Vectors of lanes (one sample per lane) and the elementary functions on them; included once per instruction set.
#pragma once
#include <cstdint>
#include <cstring>

#define QINN_INLINE static inline __attribute__((always_inline))

namespace qinn {
namespace QINN_ISA {

template <class T>
struct Lanes;

template <>
struct Lanes<float> {
    typedef float V __attribute__((vector_size(QINN_BYTES)));
    typedef int32_t I __attribute__((vector_size(QINN_BYTES)));
    static constexpr int width = QINN_BYTES / 4;
    static constexpr float magic = 12582912.0f, too_large = 8192.0f;
    static constexpr float pio2[3] = {1.5703125f, 4.837512969970703125e-4f, 7.54978995489188216e-8f};
    static constexpr float sin_[3] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
    static constexpr float cos_[3] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
};

template <>
struct Lanes<double> {
    typedef double V __attribute__((vector_size(QINN_BYTES)));
    typedef int64_t I __attribute__((vector_size(QINN_BYTES)));
    static constexpr int width = QINN_BYTES / 8;
    static constexpr double magic = 6755399441055744.0, too_large = 1e6;
    static constexpr double pio2[3] = {1.57079625129699707031, 7.54978941586159635335e-8, 5.39030285815811905290e-15};
    static constexpr double sin_[6] = {1.58962301576546568060e-10, -2.50507477628578072866e-8,
                                       2.75573136213857245213e-6,  -1.98412698295895385996e-4,
                                       8.33333333332211858878e-3,  -1.66666666666666307295e-1};
    static constexpr double cos_[6] = {-1.13585365213876817300e-11, 2.08757008419747316778e-9,
                                       -2.75573141792967388112e-7,  2.48015872888517045348e-5,
                                       -1.38888888888730564116e-3,  4.16666666666665929218e-2};
};

template <class T>
using Vec = typename Lanes<T>::V;

template <class T>
QINN_INLINE Vec<T> splat(T value) {
    return Vec<T>{} + value;
}

template <class V>
QINN_INLINE V root(V a) {
    constexpr int width = sizeof(V) / sizeof(a[0]);
    for (int i = 0; i < width; ++i) a[i] = sizeof(a[0]) == 4 ? __builtin_sqrtf(a[i]) : __builtin_sqrt(a[i]);
    return a;
}

template <class T>
QINN_INLINE T lane_sum(Vec<T> a) {
    T total = 0;
    for (int i = 0; i < Lanes<T>::width; ++i) total += a[i];
    return total;
}

// Sine and cosine by Cody-Waite reduction and the Cephes polynomials; the C library takes over for huge arguments.
template <class T>
QINN_INLINE void sine_cosine(Vec<T> x, Vec<T>& sine, Vec<T>& cosine) {
    using L = Lanes<T>;
    using V = Vec<T>;
    using I = typename L::I;
    bool huge = false;
    for (int i = 0; i < L::width; ++i) huge |= !(x[i] < L::too_large && x[i] > -L::too_large);
    if (__builtin_expect(huge, 0)) {
        for (int i = 0; i < L::width; ++i) {
            sine[i] = static_cast<T>(__builtin_sin(x[i]));
            cosine[i] = static_cast<T>(__builtin_cos(x[i]));
        }
        return;
    }
    V k = x * static_cast<T>(0.63661977236758134308) + L::magic;
    I quadrant;
    std::memcpy(&quadrant, &k, sizeof k);
    k -= L::magic;
    V r = x - k * L::pio2[0];
    r -= k * L::pio2[1];
    r -= k * L::pio2[2];
    V z = r * r, ps = splat<T>(L::sin_[0]), pc = splat<T>(L::cos_[0]);
    for (unsigned i = 1; i < sizeof(L::sin_) / sizeof(T); ++i) {
        ps = ps * z + L::sin_[i];
        pc = pc * z + L::cos_[i];
    }
    V s = ps * z * r + r, c = pc * z * z - z * static_cast<T>(0.5) + static_cast<T>(1);
    I odd = (quadrant & 1) != 0;
    V a = odd ? c : s, b = odd ? s : c;
    sine = (quadrant & 2) != 0 ? -a : a;
    cosine = ((quadrant + 1) & 2) != 0 ? -b : b;
}

// (a + ib) *= (c + id)
template <class V>
QINN_INLINE void multiply(V& a, V& b, V c, V d) {
    V re = a * c - b * d;
    b = a * d + b * c;
    a = re;
}

}  // namespace QINN_ISA
}  // namespace qinn
