// Where the exchanges of a layer take the amplitudes of a sample that fill the lanes.
#pragma once
#include "wide_passes.h"

namespace qinn {
namespace QINN_ISA {

static inline bool moves(const Program& p, int l) { return p.exchange_start[l + 1] > p.exchange_start[l]; }

// The exchanges up to here are linear over the bits.
static inline int linear_until(const Program& p, int l) {
    int e = p.exchange_start[l];
    while (e < p.exchange_start[l + 1] && p.exchanges[e].c < 0) ++e;
    return e;
}

static inline bool draws(const Program& p, int l) { return linear_until(p, l) > p.exchange_start[l]; }

static inline bool any_draws(const Program& p) {
    bool any = false;
    for (int l = 0; l < p.n_layers; ++l) any = any || draws(p, l);
    return any;
}

// Where the linear exchanges take index x.
static inline uint32_t image(const Program& p, int l, uint32_t x) {
    for (int e = p.exchange_start[l], end = linear_until(p, l); e < end; ++e) x = moved(p.exchanges[e], x);
    return x;
}

static inline uint32_t preimage(const Program& p, int l, uint32_t x) {
    for (int e = linear_until(p, l) - 1; e >= p.exchange_start[l]; --e) x = moved(p.exchanges[e], x);
    return x;
}

// A linear map of indices, seen by vectors: vector v draws its lanes from vectors near[k] away from one place.
template <class T>
struct Draw {
    using I = typename Lanes<T>::I;
    int count = 0;
    uint32_t near[16];
    I lanes, own[16];       // the lane that each lane draws from; the lanes that draw from vector k
    const uint32_t* table;  // where index 0 of the v-th vector is drawn from

    // Pairs of vectors [0, size) of a piece whose index 0 is drawn from `base`.
    void operator()(const Vec<T>* from, Vec<T>* to, size_t size, uint32_t base) const {
        constexpr uint32_t width = Lanes<T>::width;
        constexpr size_t ahead = 16;
        for (size_t v = 0; v < size; ++v) {
            const uint32_t source = base ^ table[v], u = source / width;
            if (v + ahead < size) __builtin_prefetch(from + 2 * ((base ^ table[v + ahead]) / width));
            const I at = lanes ^ static_cast<int32_t>(source & (width - 1));
            Vec<T> re = permuted<T>(from[2 * u], at), im = permuted<T>(from[2 * u + 1], at);
            for (int k = 1; k < count; ++k) {
                const Vec<T>* next = from + 2 * (u ^ near[k]);
                re = own[k] ? permuted<T>(next[0], at) : re, im = own[k] ? permuted<T>(next[1], at) : im;
            }
            to[2 * v] = re, to[2 * v + 1] = im;
        }
    }
};

// Prepares to draw index x from image(x), or with `back` from preimage(x), in blocks of 2^low_bits.
template <class T>
static void open_draw(Draw<T>& draw, const Program& p, int l, bool back, int low_bits, uint32_t* places) {
    constexpr uint32_t width = Lanes<T>::width;
    const auto from = [&](uint32_t x) { return back ? preimage(p, l, x) : image(p, l, x); };
    draw.count = 0, draw.table = places, places[0] = 0;
    for (uint32_t i = 0; i < width; ++i) {
        const uint32_t x = from(i);
        int k = 0;
        while (k < draw.count && draw.near[k] != x / width) ++k;
        if (k == draw.count) draw.near[k] = x / width, draw.own[k] = typename Lanes<T>::I{}, ++draw.count;
        draw.lanes[i] = x % width, draw.own[k][i] = -1;
    }
    for (int b = lane_bits<T>; b < low_bits; ++b) {
        const uint32_t far = from(1u << b);
        const size_t half = static_cast<size_t>(1) << (b - lane_bits<T>);
        for (size_t v = 0; v < half; ++v) places[half + v] = places[v] ^ far;
    }
}

}  // namespace QINN_ISA
}  // namespace qinn
