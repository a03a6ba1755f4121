// One sample backwards: the state and its dual are un-computed tile by tile and block by block, gradients gathered.
#pragma once
#include "wide_forward.h"

namespace qinn {
namespace QINN_ISA {

template <class T>
struct WideReverse : Wide<T> {
    using W = Wide<T>;
    using V = Vec<T>;
    using W::call;
    using W::count;
    using W::layer;
    using W::low_bits;
    using W::n;
    using W::p;
    using W::results;
    using W::turns;
    using W::width;
    static constexpr size_t chunk = static_cast<size_t>(1) << W::chunk_bits;

    V *state, *dual, *spare, *dual_spare, *by_input, *by_weight;
    Axis3<T>* axes;  // of one layer

    WideReverse(const Call<T>& call_, const Crew& crew_, Arena& arena) : W(call_, crew_, arena, true) {
        by_input = arena.take<V>(p.n_inputs), by_weight = arena.take<V>(p.n_weights);
        axes = arena.take<Axis3<T>>(p.max_rotations);
        state = this->states[0], dual = this->states[1], spare = this->states[2], dual_spare = this->states[3];
    }

    // Duals are half the gradient, so that d loss / d angle = Im <dual|axis.sigma|state>.
    void start_dual(int64_t row) {
        const V* kept = reinterpret_cast<const V*>(call.saved) + 2 * row * this->blocks * count;
        const int64_t outputs = call.mode == STATE ? static_cast<int64_t>(2) << n : p.n_outputs;
        const T* grads = call.grad_values + row * outputs;
        this->each_block([&](V* mine, size_t block) {
            const V* from = kept + 2 * count * block;
            V* b = this->block_of(dual, block);
            std::memcpy(static_cast<void*>(this->block_of(state, block)), from, 2 * count * sizeof(V));
            if (call.mode == STATE)
                load(grads + 2 * block * count * width, b);
            else
                weigh(grads, block, from, b, mine), add_words(grads, kept, block, b);
        });
    }

    void load(const T* grads, V* to) const {
        V re = splat<T>(static_cast<T>(p.phase_re)), im = splat<T>(static_cast<T>(p.phase_im));
        for (int run = 0; run < p.n_layers * n; ++run)
            if (p.kinds[run] != NONE) multiply(re, im, turns[run].ur, turns[run].ui);
        re *= static_cast<T>(0.5), im *= static_cast<T>(-0.5);
        for (size_t v = 0; v < count; ++v) {
            V x, y;
            for (int i = 0; i < width; ++i) x[i] = grads[2 * (v * width + i)], y[i] = grads[2 * (v * width + i) + 1];
            multiply(x, y, re, im);
            to[2 * v] = x, to[2 * v + 1] = y;
        }
    }

    static T weight(const Word& word, const T* grads) { return static_cast<T>(word.coefficient) * grads[word.output]; }

    void weigh(const T* grads, size_t block, const V* from, V* to, V* sums) const {
        for (size_t v = 0; v < count; ++v) sums[v] = V{};
        for (int w = 0; w < p.n_flat_words; ++w) {
            const Split mask = this->sign_of(p.words[w]);
            W::number(sums, mask.low) += W::sign(block, mask.high) * weight(p.words[w], grads);
        }
        transform_signs<T>(sums, low_bits - lane_bits<T>);
        const size_t first = block << low_bits;
        for (int r = 0; r < p.n_registers; ++r)
            for (size_t x = first; x < first + count * width; ++x)
                if ((x & p.registers[r].zero) == 0)
                    W::number(sums, static_cast<uint32_t>(x - first)) += grads[W::output_of(p.registers[r], x)];
        for (size_t v = 0; v < count; ++v) to[2 * v] = sums[v] * from[2 * v], to[2 * v + 1] = sums[v] * from[2 * v + 1];
    }

    void add_words(const T* grads, const V* kept, size_t block, V* to) const {
        for (int w = p.n_flat_words; w < p.n_words; ++w) {
            const Word& word = p.words[w];
            const Split flip = this->split(word.flip), minus = this->split(word.sign);
            const V* from = kept + 2 * count * (block ^ flip.high);
            const T factor = weight(word, grads), cycle[4] = {factor, 0, -factor, 0};
            const T outer = W::sign(block, minus.high) * W::sign(word.flip, word.sign);
            const V signs = lane_signs<T>(minus.low & (width - 1)) * outer;
            const V re = signs * cycle[word.turns & 3], im = signs * cycle[(word.turns + 3) & 3];
            const auto lanes = lane_numbers<T>() ^ static_cast<int32_t>(flip.low & (width - 1));
            for (size_t v = 0; v < count; ++v) {
                const size_t u = v ^ flip.low / width;
                V x = permuted<T>(from[2 * u], lanes), y = permuted<T>(from[2 * u + 1], lanes);
                const bool odd = __builtin_parityll(v & minus.low / width);
                multiply(x, y, odd ? -re : re, odd ? -im : im);
                to[2 * v] += x, to[2 * v + 1] += y;
            }
        }
    }

    // Takes phases and the turns of lanes back; sums[x] = Im(dual* state), which the phases do not change.
    void unfinish_block(V* a, V* b, const V* table, T re, T im, V* sums, V* x, V* y) const {
        const V c = splat<T>(re), s = splat<T>(-im);
        V xs[8] = {}, ys[8] = {};
        for (size_t v = 0; v < count; ++v) {
            V both[4] = {a[2 * v], a[2 * v + 1], b[2 * v], b[2 * v + 1]};
            if (layer.phases) {
                sums[v] = both[2] * both[1] - both[3] * both[0];
                V tr = table[2 * v], ti = -table[2 * v + 1];
                multiply(tr, ti, c, s);
                multiply(both[0], both[1], tr, ti), multiply(both[2], both[3], tr, ti);
            }
            if (layer.lanes.any) pull_lanes<T>(both, layer.lanes, xs, ys);
            a[2 * v] = both[0], a[2 * v + 1] = both[1], b[2 * v] = both[2], b[2 * v + 1] = both[3];
        }
        for (int k = 0; k < lane_bits<T>; ++k) x[k] = xs[k], y[k] = -lane_signs<T>(1 << k) * ys[k];
    }

    // Per block: the sums over the signs of each term and of each bit, then what is pulled about x and y.
    int n_terms() const { return p.term_start[layer.at + 1] - p.term_start[layer.at]; }
    size_t n_results() const { return static_cast<size_t>(n_terms() + n + 2 * low_bits); }

    void reverse_block(bool drawn, V* mine, size_t block) const {
        V *a = this->block_of(drawn ? spare : state, block), *b = this->block_of(drawn ? dual_spare : dual, block);
        if (drawn) {
            const uint32_t base = image(p, layer.at, static_cast<uint32_t>(block << low_bits));
            this->draw(state, a, count, base), this->draw(dual, b, count, base);
        }
        V x[32] = {}, y[32] = {};
        T re = 1, im = 0;
        const V* table = layer.phases ? this->phases_of(block, mine, re, im) : nullptr;
        unfinish_block(a, b, table, re, im, mine, x, y);
        V pulled_x[32] = {}, pulled_y[32] = {};
        pull_both<T>(a, b, low_bits - lane_bits<T>, layer.low, pulled_x, pulled_y);
        for (int k = 0; k < layer.low.count; ++k) {
            const int bit = layer.low.bits[k] - 1 + lane_bits<T>;
            x[bit] = pulled_x[k], y[bit] = pulled_y[k];
        }
        if (layer.before) times_conjugate(a), times_conjugate(b);
        double* found = results + block * n_results();
        sum_signs(mine, block, found);
        found += n_terms() + n;
        for (int k = 0; k < low_bits; ++k)
            found[2 * k] = lane_sum<T>(x[k]), found[2 * k + 1] = lane_sum<T>(y[k]);
    }

    void times_conjugate(V* a) const {
        for (size_t i = 0; i < 2 * count; i += 2) multiply(a[i], a[i + 1], this->before[i], -this->before[i + 1]);
    }

    void sum_signs(V* sums, size_t block, double* found) const {
        const int terms = n_terms();
        for (int k = 0; k < terms + n; ++k) found[k] = 0;
        if (!layer.phases) return;
        transform_signs<T>(sums, low_bits - lane_bits<T>);
        for (int k = 0; k < terms + n; ++k) {
            const Split mask = this->split(k < terms ? p.terms[p.term_start[layer.at] + k].mask : 1u << (k - terms));
            found[k] = W::sign(block, mask.high) * W::number(sums, mask.low);
        }
    }

    void reverse_tile(const Tile<T>& t, const Turns<T>& turned, V* mine, size_t tile) const {
        const size_t all = 2 * chunk * t.values(), start = 2 * t.start(tile);
        V *a = mine, *b = mine + all, x[32] = {}, y[32] = {};
        for (size_t i = 0; i < t.values(); ++i) {
            std::memcpy(static_cast<void*>(a + 2 * i * chunk), state + start + 2 * i * t.step, 2 * chunk * sizeof(V));
            std::memcpy(static_cast<void*>(b + 2 * i * chunk), dual + start + 2 * i * t.step, 2 * chunk * sizeof(V));
        }
        pull_both<T>(a, b, W::chunk_bits + t.last - t.first, turned, x, y);
        T re = 1, im = 0;
        for (size_t i = 0; i < t.values(); ++i) {
            if (layer.before) this->product_of(i, t.first, t.last, this->ones, layer.gr, layer.gi, re, im);
            copy_times<T>(a + 2 * i * chunk, state + start + 2 * i * t.step, chunk, re, -im);
            copy_times<T>(b + 2 * i * chunk, dual + start + 2 * i * t.step, chunk, re, -im);
        }
        double* found = results + tile * 2 * turned.count;
        for (int k = 0; k < turned.count; ++k)
            found[2 * k] = lane_sum<T>(x[k]), found[2 * k + 1] = lane_sum<T>(y[k]);
    }

    static double total(const double* first, size_t rows, size_t step) {
        double sum = 0;
        for (size_t row = 0; row < rows; ++row) sum += first[row * step];
        return sum;
    }

    void reverse_blocks(Axis3<T>* generators) {
        const bool drawn = layer.phases && draws(p, layer.at);
        if (drawn) open_draw<T>(this->draw, p, layer.at, false, this->low_bits, this->places);
        this->each_block([&](V* mine, size_t block) { reverse_block(drawn, mine, block); });
        const int terms = n_terms();
        const auto sum = [&](int k) { return splat<T>(static_cast<T>(total(results + k, this->blocks, n_results()))); };
        for (int k = 0; k < terms; ++k) hand_on<T>(p, p.terms[p.term_start[layer.at] + k].angle, sum(k), gathered());
        for (int b = 0; b < n; ++b) generators[b] = {V{}, V{}, sum(terms + b)};
        for (int b = 0; b < low_bits; ++b)
            generators[b].x = sum(terms + n + 2 * b), generators[b].y = sum(terms + n + 2 * b + 1);
        if (drawn) exchange(state, spare), exchange(dual, dual_spare);
    }

    void reverse_tiles(Axis3<T>* generators) {
        for (int tier = 0; tier < this->tiers; ++tier) {
            const Tile<T> t(*this, tier);
            const Turns<T> turned = this->turns_of(layer.at, t.first, t.last, W::chunk_bits, true);
            if (turned.count == 0 && !layer.before) continue;
            this->each(t.tiles, [&](V* mine, size_t tile) { reverse_tile(t, turned, mine, tile); });
            for (int k = 0; k < turned.count; ++k) {
                Axis3<T>& g = generators[t.first + turned.bits[k] - 1 - W::chunk_bits];
                g.x = splat<T>(static_cast<T>(total(results + 2 * k, t.tiles, 2 * turned.count)));
                g.y = splat<T>(static_cast<T>(total(results + 2 * k + 1, t.tiles, 2 * turned.count)));
            }
        }
    }

    Gathered<T> gathered() const { return {this->inputs, by_input, by_weight, call.slope}; }

    void reverse_layer(int l) {
        this->open(l, true);
        Axis3<T> generators[32];
        for (int e = p.exchange_start[l + 1] - 1; layer.phases && e >= linear_until(p, l); --e)
            this->exchange_in_place(p.exchanges[e], state), this->exchange_in_place(p.exchanges[e], dual);
        reverse_blocks(generators);
        reverse_tiles(generators);
        for (int b = 0; b < n; ++b) {
            const int run = l * n + b, length = this->run_length(run);
            if (p.kinds[run] == NONE) continue;
            find_axes<T>(this->first_rotation(run), length, this->half, turns[run], axes);
            const auto none = [](int) -> const Axis3<T>* { return nullptr; };
            spread_run<T>(p, this->first_rotation(run), length, axes, generators[b], gathered(), none);
        }
    }

    void reverse(int64_t row) {
        this->start(row);
        for (int k = 0; k < p.n_inputs; ++k) by_input[k] = V{};
        for (int w = 0; w < p.n_weights; ++w) by_weight[w] = V{};
        start_dual(row);
        for (int l = p.n_layers - 1; l >= 0; --l) reverse_layer(l);
        // How far the un-computed state is from |0...0>.
        state[0][0] -= 1;
        *call.drift = std::sqrt(this->norm_of(state));
        for (int k = 0; k < p.n_inputs; ++k) call.grad_inputs[row * p.n_inputs + k] = by_input[k][0];
        for (int w = 0; w < p.n_weights; ++w) call.grad_weights[w] += by_weight[w][0];
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
