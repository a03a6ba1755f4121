// One sample forwards: layer by layer over tiles and blocks, then its readout.
#pragma once
#include "wide.h"

namespace qinn {
namespace QINN_ISA {

// Groups of bits beyond a block: the amplitudes of all their values go through a buffer, chunk by chunk.
template <class T>
struct Tile {
    int first, last;          // bits
    size_t tiles, step, low;  // how many; pairs of vectors between neighbours; chunks below the first bit

    Tile(const Wide<T>& w, int tier) {
        const int far = w.n - w.low_bits;
        first = w.low_bits + tier * far / w.tiers, last = w.low_bits + (tier + 1) * far / w.tiers;
        tiles = static_cast<size_t>(1) << (w.n - lane_bits<T> - Wide<T>::chunk_bits - (last - first));
        step = static_cast<size_t>(1) << (first - lane_bits<T>);
        low = step >> Wide<T>::chunk_bits;
    }

    size_t values() const { return static_cast<size_t>(1) << (last - first); }
    size_t start(size_t tile) const { return tile / low * step * values() + ((tile % low) << Wide<T>::chunk_bits); }
};

template <class T>
struct WideForward : Wide<T> {
    using W = Wide<T>;
    using V = Vec<T>;
    using W::call;
    using W::count;
    using W::layer;
    using W::n;
    using W::outputs;
    using W::p;
    using W::results;
    using W::turns;
    using W::width;
    static constexpr size_t chunk = static_cast<size_t>(1) << W::chunk_bits;

    V *state, *spare;
    int pending = -1;  // the layer whose linear exchanges are still to be drawn

    WideForward(const Call<T>& call_, const Crew& crew_, Arena& arena) : W(call_, crew_, arena, false) {}

    // The RY of the first layer give a real product state.
    void product_tables(T* zero, T* one) {
        for (int b = 0; b < n; ++b) {
            const bool turning = p.kinds[b] == TURNING;
            zero[b] = turning ? turns[b].c[0] : 1, one[b] = turning ? turns[b].s[0] : 0;
        }
        this->grow(this->product, zero, one, this->zeros);
    }

    // Draws pairs of vectors from where the exchanges of the layer before took them.
    void redraw(size_t first, size_t size, V* to) const {
        const uint32_t x = static_cast<uint32_t>(first * width);
        this->draw(state, to, size, preimage(p, pending, x));
    }

    void forward_tile(const Tile<T>& t, const Turns<T>& turned, bool drawn, V* buffer, size_t tile) const {
        T re = 1, im = 0;
        for (size_t i = 0; i < t.values(); ++i) {
            const size_t first = t.start(tile) + i * t.step;
            V* piece = buffer + 2 * i * chunk;
            if (layer.before) this->product_of(i, t.first, t.last, this->ones, layer.gr, layer.gi, re, im);
            if (drawn) redraw(first, chunk, piece);
            copy_times<T>(drawn ? piece : state + 2 * first, piece, chunk, re, im);
        }
        turn_some<T>(buffer, W::chunk_bits + 1 + t.last - t.first, turned, 0, turned.count);
        V* to = (drawn ? spare : state) + 2 * t.start(tile);
        for (size_t i = 0; i < t.values(); ++i)
            std::memcpy(static_cast<void*>(to + 2 * i * t.step), buffer + 2 * i * chunk, 2 * chunk * sizeof(V));
    }

    void forward_tiles() {
        // From above: what a ring of CNOTs takes far takes it to the highest bits, and so into the same tile.
        for (int tier = this->tiers - 1; tier >= 0; --tier) {
            const Tile<T> t(*this, tier);
            const Turns<T> turned = this->turns_of(layer.at, t.first, t.last, W::chunk_bits, false);
            const bool drawn = pending >= 0;
            if (turned.count == 0 && !layer.before && !drawn) continue;
            this->each(t.tiles, [&](V* mine, size_t tile) { forward_tile(t, turned, drawn, mine, tile); });
            if (drawn) settle();
        }
    }

    void settle() {
        exchange(state, spare);
        pending = -1;
    }

    void finish_block(V* a, const V* table, T re, T im) const {
        const V c = splat<T>(re), s = splat<T>(im);
        for (size_t i = 0; i < 2 * count; i += 2) {
            V x = a[i], y = a[i + 1];
            if (layer.at > 0 && layer.lanes.any) turn_lanes<T>(x, y, layer.lanes);
            if (layer.phases) multiply(x, y, table[i], table[i + 1]), multiply(x, y, c, s);
            a[i] = x, a[i + 1] = y;
        }
    }

    void forward_block(const T* zero, const T* one, V* mine, size_t block) const {
        V* a = this->block_of(pending < 0 ? state : spare, block);
        T re = 1, im = 0;
        if (pending >= 0) redraw(block * count, count, a);
        if (layer.at == 0) {
            this->product_of(block, this->low_bits, n, zero, one, this->zeros, re, im);
            copy_times<T>(this->product, a, count, re, im);
        } else {
            if (layer.before) times_table<T>(a, this->before, count);
            turn_some<T>(a, this->low_bits - lane_bits<T> + 1, layer.low, 0, layer.low.count);
        }
        const V* table = layer.phases ? this->phases_of(block, mine, re, im) : nullptr;
        finish_block(a, table, re, im);
    }

    void forward_layer(int l) {
        this->open(l, false);
        T zero[32], one[32];
        if (l == 0)
            product_tables(zero, one);
        else
            forward_tiles();
        this->each_block([&](V* mine, size_t block) { forward_block(zero, one, mine, block); });
        if (pending >= 0) settle();
        if (layer.phases && layer.moves) move(l);
    }

    // The next layer draws its amplitudes from where linear exchanges took them; others are done here and now.
    void move(int l) {
        const int first = linear_until(p, l), last = p.exchange_start[l + 1];
        if (draws(p, l)) open_draw<T>(this->draw, p, l, true, this->low_bits, this->places), pending = l;
        if (pending >= 0 && (first < last || l + 1 == p.n_layers)) {
            this->each_block([&](V*, size_t b) { redraw(b * count, count, this->block_of(spare, b)); });
            settle();
        }
        for (int e = first; e < last; ++e) this->exchange_in_place(p.exchanges[e], state);
    }

    void forward(int64_t row) {
        this->start(row);
        int swaps = 0;
        for (int l = 0; l < p.n_layers; ++l) swaps += draws(p, l) && (l + 1 < p.n_layers || this->last_phases());
        V* kept = call.saved == nullptr ? nullptr : reinterpret_cast<V*>(call.saved) + 2 * row * this->blocks * count;
        state = kept == nullptr ? this->states[0] : kept, spare = this->states[kept == nullptr];
        // What is kept is where the last exchange leaves the state.
        if (swaps % 2 == 1) exchange(state, spare);
        for (int l = 0; l < p.n_layers; ++l) forward_layer(l);
        *call.drift = std::fabs(this->norm_of(state) - 1);
        if (call.mode == STATE)
            store_state(call.values + 2 * row * (static_cast<int64_t>(1) << n));
        else
            read(call.values + row * p.n_outputs);
    }

    void store_state(T* to) const {
        V re = splat<T>(static_cast<T>(p.phase_re)), im = splat<T>(static_cast<T>(p.phase_im));
        for (int run = 0; run < p.n_layers * n; ++run)
            if (p.kinds[run] != NONE) multiply(re, im, turns[run].ur, turns[run].ui);
        this->each_block([&](V*, size_t block) {
            const V* a = this->block_of(state, block);
            T* out = to + 2 * block * count * width;
            for (size_t v = 0; v < count; ++v) {
                V x = a[2 * v], y = a[2 * v + 1];
                multiply(x, y, re, im);
                for (int i = 0; i < width; ++i) out[2 * (v * width + i)] = x[i], out[2 * (v * width + i) + 1] = y[i];
            }
        });
    }

    void read(T* values) const {
        this->each_block([&](V* mine, size_t block) {
            double* found = results + block * p.n_words;
            if (p.n_flat_words > 0) read_signs(mine, block, found);
            for (int w = p.n_flat_words; w < p.n_words; ++w) found[w] = read_word(p.words[w], block);
        });
        for (int o = 0; o < p.n_outputs; ++o) outputs[o] = 0;
        for (int r = 0; r < p.n_registers; ++r) read_register(p.registers[r]);
        for (int w = 0; w < p.n_words; ++w) {
            double sum = 0;
            for (size_t block = 0; block < this->blocks; ++block) sum += results[block * p.n_words + w];
            outputs[p.words[w].output] += p.words[w].coefficient * sum;
        }
        for (int o = 0; o < p.n_outputs; ++o) values[o] = static_cast<T>(outputs[o]);
    }

    void read_register(const Register& found) const {
        const T* a = reinterpret_cast<const T*>(state);
        for (size_t x = 0; x >> n == 0; ++x) {
            const double re = a[place_of<T>(x)], im = a[place_of<T>(x) + width];
            if ((x & found.zero) == 0) outputs[W::output_of(found, x)] += re * re + im * im;
        }
    }

    void read_signs(V* sums, size_t block, double* found) const {
        const V* a = this->block_of(state, block);
        for (size_t v = 0; v < count; ++v) sums[v] = a[2 * v] * a[2 * v] + a[2 * v + 1] * a[2 * v + 1];
        transform_signs<T>(sums, this->low_bits - lane_bits<T>);
        for (int w = 0; w < p.n_flat_words; ++w) {
            const Split mask = this->sign_of(p.words[w]);
            found[w] = W::sign(block, mask.high) * W::number(sums, mask.low);
        }
    }

    // The share of one block in Re <state| word |state>.
    double read_word(const Word& word, size_t block) const {
        const Split flip = this->split(word.flip), minus = this->split(word.sign);
        const V *a = this->block_of(state, block), *b = this->block_of(state, block ^ flip.high);
        const V signs = lane_signs<T>(minus.low & (width - 1)) * W::sign(block, minus.high);
        const auto lanes = lane_numbers<T>() ^ static_cast<int32_t>(flip.low & (width - 1));
        V sum = {};
        for (size_t v = 0; v < count; ++v) {
            const size_t u = v ^ flip.low / width;
            const V x = permuted<T>(b[2 * u], lanes), y = permuted<T>(b[2 * u + 1], lanes);
            const V part = word.turns & 1 ? a[2 * v] * y - a[2 * v + 1] * x : a[2 * v] * x + a[2 * v + 1] * y;
            sum += __builtin_parityll(v & minus.low / width) ? -signs * part : signs * part;
        }
        return (word.turns & 2 ? -1.0 : 1.0) * static_cast<double>(lane_sum<T>(sum));
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
