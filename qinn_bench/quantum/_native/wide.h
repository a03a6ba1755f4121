// One sample at a time: its state in blocks that stay in the cache, its tables, and the gates of one layer on a block.
#pragma once
#include <cmath>

#include "block.h"
#include "wide_moves.h"

namespace qinn {
namespace QINN_ISA {

// A mask of bits, within a block and among the blocks.
struct Split {
    uint32_t low, high;
};

// The tables of one layer.
template <class T>
struct WideLayer {
    int at = 0;
    bool moves = false, phases = false, varying = false, before = false;
    T ar[32], ai[32], gr[32], gi[32];  // phases of single bits behind the turns and in front of them
    LaneTurns<T> lanes;
    Turns<T> low;  // bits of vectors within a block
};

template <class T>
struct Wide {
    using V = Vec<T>;
    static constexpr int width = Lanes<T>::width;
    static constexpr int block_bits = sizeof(T) == 4 ? 13 : 12, tile_bits = 9, chunk_bits = 3;

    const Program& p;
    const Call<T>& call;
    const Crew& crew;
    int n, low_bits, tiers;    // bits of a block; `tiers` groups of bits beyond it
    size_t count, blocks;      // pairs of vectors in a block; blocks in a state
    V *inputs, *half, *table, *before, *product, *scratch;
    size_t scratch_each;       // vectors of scratch per thread
    Turn<T>* turns;
    uint32_t* places;          // of the map of indices in `draw`
    Draw<T> draw;
    double *results, *outputs;
    V* states[4];
    WideLayer<T> layer;
    T ones[32], zeros[32];

    Wide(const Call<T>& call_, const Crew& crew_, Arena& arena, bool reverse)
        : p(*call_.program), call(call_), crew(crew_), n(p.n_bits) {
        for (int b = 0; b < 32; ++b) ones[b] = 1, zeros[b] = 0;
        low_bits = n < block_bits ? n : block_bits;
        tiers = (n - low_bits + tile_bits - 1) / tile_bits;
        count = static_cast<size_t>(1) << (low_bits - lane_bits<T>), blocks = static_cast<size_t>(1) << (n - low_bits);
        inputs = arena.take<V>(p.n_inputs), half = arena.take<V>(2 * p.n_angles);
        table = arena.take<V>(2 * count), before = arena.take<V>(2 * count), product = arena.take<V>(2 * count);
        turns = arena.take<Turn<T>>(static_cast<size_t>(p.n_layers) * n);
        places = arena.take<uint32_t>(count);
        scratch_each = 3 * count + (tiers > 0 ? 4 << (tile_bits + chunk_bits) : 0) + 20;
        scratch = arena.take<V>(scratch_each * crew.threads);
        results = arena.take<double>(most_results()), outputs = arena.take<double>(p.n_outputs);
        const int wanted = reverse ? 2 + 2 * any_draws(p) : (call.saved == nullptr) + any_draws(p);
        for (int s = 0; s < 4; ++s) states[s] = s < wanted ? arena.take<V>(2 * blocks * count) : nullptr;
    }

    // The squared norm of a state.
    double norm_of(const V* state) const {
        each_block([&](V*, size_t block) {
            const V* a = state + 2 * block * count;
            V sum = {};
            for (size_t i = 0; i < 2 * count; ++i) sum += a[i] * a[i];
            results[block] = lane_sum<T>(sum);
        });
        double sum = 0;
        for (size_t block = 0; block < blocks; ++block) sum += results[block];
        return sum;
    }

    // Per block: the words, or the terms of a layer, n signs and two numbers for each bit; per tile two for each bit.
    size_t most_results() const {
        int most = 0;
        for (int l = 0; l < p.n_layers; ++l) {
            const int terms = p.term_start[l + 1] - p.term_start[l];
            most = most < terms ? terms : most;
        }
        most += 3 * n;
        const size_t of_blocks = blocks * static_cast<size_t>(most < p.n_words ? p.n_words : most);
        const size_t of_tiles = blocks * count >> chunk_bits;
        return of_blocks < of_tiles ? of_tiles : of_blocks;
    }

    // Through one compiled function whatever the number of threads: a copy that is inlined may round otherwise.
    template <class Work>
    void each(size_t items, const Work& work) const {
        struct Task {
            const Work& work;
            V* scratch;
            size_t scratch_each;
        } task = {work, scratch, scratch_each};
        const auto call_one = [](const void* given, int32_t thread, int64_t item) {
            const Task& t = *static_cast<const Task*>(given);
            t.work(t.scratch + thread * t.scratch_each, static_cast<size_t>(item));
        };
        crew.share(crew.threads, static_cast<int64_t>(items), call_one, &task);
    }

    // The highest bits of a block change first: exchanges that take amplitudes far mostly take them there.
    template <class Work>
    void each_block(const Work& work) const {
        each(blocks, [&](V* mine, size_t i) {
            size_t block = 0;
            for (int b = 0; b < n - low_bits; ++b) block |= (i >> b & 1) << (n - low_bits - 1 - b);
            work(mine, block);
        });
    }

    void start(int64_t row) {
        for (int k = 0; k < p.n_inputs; ++k) inputs[k] = splat<T>(call.inputs[row * p.n_inputs + k]);
        for (int k = 0; k < p.n_angles; ++k) {
            const int input = p.angles[k].input;
            half[2 * k] = splat<T>(call.half[2 * k]), half[2 * k + 1] = splat<T>(call.half[2 * k + 1]);
            if (input < 0) continue;
            V angle = (inputs[input] * call.slope[k] + call.base[k]) * static_cast<T>(0.5);
            sine_cosine<T>(angle, half[2 * k + 1], half[2 * k]);
        }
        for (int run = 0; run < p.n_layers * n; ++run)
            if (p.kinds[run] != NONE) split_run<T>(first_rotation(run), run_length(run), half, turns[run]);
    }

    const Rotation* first_rotation(int run) const { return p.rotations + p.run_start[run]; }
    int run_length(int run) const { return p.run_start[run + 1] - p.run_start[run]; }
    // With diagonal words only, the last phases drop out, and linear exchanges are looked through.
    bool last_phases() const {
        return call.mode == STATE || !p.diagonal_words || p.n_registers > 0 ||
               linear_until(p, p.n_layers - 1) < p.exchange_start[p.n_layers];
    }

    Split split(uint32_t mask) const { return {mask & ((1u << low_bits) - 1), mask >> low_bits}; }

    // The word's signs before the last exchanges.
    Split sign_of(const Word& word) const {
        if (last_phases()) return split(word.sign);
        uint32_t mask = 0;
        for (int b = 0; b < n; ++b)
            mask |= static_cast<uint32_t>(__builtin_parity(image(p, p.n_layers - 1, 1u << b) & word.sign)) << b;
        return split(mask);
    }

    static int64_t output_of(const Register& found, size_t x) {
        int64_t output = found.first;
        for (int k = 0; k < found.count; ++k) output += static_cast<int64_t>(x >> found.bits[k] & 1) << k;
        return output;
    }

    static T& number(V* a, uint32_t x) { return reinterpret_cast<T*>(a)[x]; }
    static T sign(size_t block, uint32_t mask) { return static_cast<T>(__builtin_parityll(block & mask) ? -1 : 1); }

    // A product of bits as a table over a block: `zero` for each 0, (re, im) for each 1.
    void grow(V* a, const T* zero, const T* re, const T* im) const {
        a[0] = a[1] = V{};
        a[0][0] = 1;
        for (int b = 0; b < lane_bits<T>; ++b)
            for (int i = 0; i < 1 << b; ++i) {
                const T x = a[0][i], y = a[1][i];
                a[0][i | 1 << b] = x * re[b] - y * im[b], a[1][i | 1 << b] = x * im[b] + y * re[b];
                a[0][i] = zero[b] * x, a[1][i] = zero[b] * y;
            }
        for (int b = lane_bits<T>; b < low_bits; ++b) {
            const size_t far = static_cast<size_t>(2) << (b - lane_bits<T>);
            const V c = splat<T>(re[b]), s = splat<T>(im[b]), f = splat<T>(zero[b]);
            for (size_t i = 0; i < far; i += 2) {
                V x = a[i], y = a[i + 1];
                a[i] = f * x, a[i + 1] = f * y;
                multiply(x, y, c, s);
                a[far + i] = x, a[far + i + 1] = y;
            }
        }
    }

    // The same product over bits [first, last), for x counted in steps of the first.
    void product_of(size_t x, int first, int last, const T* zero, const T* re, const T* im, T& a, T& b) const {
        a = 1, b = 0;
        for (int k = first; k < last; ++k) {
            const bool one = x >> (k - first) & 1;
            const T c = one ? re[k] : zero[k], s = one ? im[k] : 0, old = a;
            a = a * c - b * s, b = old * s + b * c;
        }
    }

    void open(int l, bool inverse) {
        layer.at = l, layer.moves = moves(p, l), layer.phases = l + 1 < p.n_layers || last_phases();
        layer.before = l > 0 && moves(p, l - 1);
        layer.varying = false;
        for (int k = p.term_start[l]; k < p.term_start[l + 1]; ++k) {
            const Split mask = split(p.terms[k].mask);
            layer.varying = layer.varying || (mask.low != 0 && mask.high != 0);
        }
        set_turns(l, inverse);
        for (int b = 0; b < n; ++b) {
            const int here = l * n + b, next = here + n;
            const bool merged = !layer.moves && l + 1 < p.n_layers && p.kinds[next] != NONE;
            T re = 1, im = 0;
            if (p.kinds[here] != NONE) re = turns[here].ar[0], im = turns[here].ai[0];
            if (merged) multiply(re, im, turns[next].gr[0], turns[next].gi[0]);
            layer.ar[b] = re, layer.ai[b] = im;
            const bool turned = p.kinds[here] != NONE;
            layer.gr[b] = turned ? turns[here].gr[0] : 1, layer.gi[b] = turned ? turns[here].gi[0] : 0;
        }
        if (layer.before) grow(before, ones, layer.gr, layer.gi);
        if (layer.phases) {
            grow(table, ones, layer.ar, layer.ai);
            if (add_terms(0, false, scratch)) times_phases(table, scratch);
        }
    }

    void set_turns(int l, bool inverse) {
        layer.low = turns_of(l, lane_bits<T>, low_bits, 0, inverse);
        layer.lanes.any = false;
        for (int b = 0; b < lane_bits<T>; ++b) {
            const bool turning = p.kinds[l * n + b] == TURNING;
            const Turn<T>& t = turns[l * n + b];
            layer.lanes.c[b] = turning ? t.c : splat<T>(1);
            layer.lanes.s[b] = turning ? (inverse ? t.s : -t.s) * lane_signs<T>(1 << b) : V{};
            layer.lanes.any = layer.lanes.any || turning;
        }
    }

    // The turns of bits [first, last) where the first lies at bit `at` of the pairs of vectors.
    Turns<T> turns_of(int l, int first, int last, int at, bool inverse) const {
        Turns<T> found;
        for (int b = first; b < last; ++b) {
            const Turn<T>& t = turns[l * n + b];
            if (p.kinds[l * n + b] != TURNING) continue;
            found.bits[found.count] = at + b - first + 1;
            found.p[found.count] = inverse ? -t.p : t.p, found.s[found.count] = inverse ? -t.s : t.s;
            ++found.count;
        }
        return found;
    }

    T angle_of(int k) const {
        const int angle = p.terms[k].angle, input = p.angles[angle].input;
        return call.base[angle] + (input < 0 ? 0 : call.slope[angle] * inputs[input][0]);
    }

    // The angles of the terms within a block, or of those that also hold bits beyond it; false where there are none.
    bool add_terms(size_t block, bool far, V* field) const {
        bool any = false;
        for (int k = p.term_start[layer.at]; k < p.term_start[layer.at + 1]; ++k) {
            const Split mask = split(p.terms[k].mask);
            if (mask.low == 0 || (mask.high != 0) != far) continue;
            for (size_t v = 0; !any && v < count; ++v) field[v] = V{};
            any = true;
            number(field, mask.low) -= sign(block, mask.high) * angle_of(k) * static_cast<T>(0.5);
        }
        if (any) transform_signs<T>(field, low_bits - lane_bits<T>);
        return any;
    }

    void times_phases(V* a, const V* field) const {
        for (size_t v = 0; v < count; ++v) {
            V s = {}, c = {};
            sine_cosine<T>(field[v], s, c);
            multiply(a[2 * v], a[2 * v + 1], c, s);
        }
    }

    // The phases of a block: a table, and a number that goes with it.
    const V* phases_of(size_t block, V* mine, T& re, T& im) const {
        product_of(block, low_bits, n, ones, layer.ar, layer.ai, re, im);
        double angle = 0;
        for (int k = p.term_start[layer.at]; k < p.term_start[layer.at + 1]; ++k) {
            const Split mask = split(p.terms[k].mask);
            if (mask.low == 0) angle -= 0.5 * sign(block, mask.high) * angle_of(k);
        }
        multiply(re, im, static_cast<T>(__builtin_cos(angle)), static_cast<T>(__builtin_sin(angle)));
        if (!layer.varying) return table;
        std::memcpy(static_cast<void*>(mine + count), table, 2 * count * sizeof(V));
        add_terms(block, true, mine);
        times_phases(mine + count, mine);
        return mine + count;
    }

    V* block_of(V* state, size_t block) const { return state + 2 * count * block; }

    // Swaps the amplitudes that an exchange of three bits swaps.
    void exchange_in_place(const Exchange& e, V* state) const {
        T* a = reinterpret_cast<T*>(state);
        each_block([&](V*, size_t block) {
            for (size_t x = block << low_bits; x < (block + 1) << low_bits; ++x) {
                const size_t y = moved(e, static_cast<uint32_t>(x));
                if (y <= x) continue;
                const size_t here = place_of<T>(x), there = place_of<T>(y);
                exchange(a[here], a[there]), exchange(a[here + width], a[there + width]);
            }
        });
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
