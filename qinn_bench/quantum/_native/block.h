// One block of lanes: its workspace, the gates of its samples, and what both sweeps ask about a layer.
#pragma once
#include "product.h"
#include "readout.h"

namespace qinn {
namespace QINN_ISA {

// Hands out pieces of one allocation; with a null start it only counts.
struct Arena {
    char* at;
    size_t used = 0;

    template <class P>
    P* take(size_t count) {
        P* piece = at == nullptr ? nullptr : reinterpret_cast<P*>(at + used);
        used += (count * sizeof(P) + 127) / 128 * 128;
        // Arrays a multiple of 4096 bytes apart stall each other's loads and stores.
        if (count * sizeof(P) >= 4096) used += 640;
        return piece;
    }
};

template <class T>
struct Block {
    using V = Vec<T>;
    static constexpr int width = Lanes<T>::width;

    const Program& p;
    const Call<T>& call;
    size_t size;  // 2^n
    V *inputs, *half, *sums, *table, *factors, *phase, *results;
    Turn<T>* turns;
    Axis3<T>*axes, *along;  // of one layer: per rotation, per link; twice, for even and odd layers
    V** states;
    V* spare;
    int near;         // a piece is 2^near vectors
    int64_t row = 0;  // first sample of the block
    int rows = 0;     // samples in it
    double drift = 0;

    Block(const Program& program, const Call<T>& call_, int n_states, Arena& arena, int near_)
        : p(program), call(call_), near(near_) {
        size = static_cast<size_t>(1) << p.n_bits;
        inputs = arena.take<V>(p.n_inputs);
        half = arena.take<V>(2 * p.n_angles);
        sums = arena.take<V>(size + 1);
        table = arena.take<V>(n_states > 1 ? 2 * size : 0), phase = arena.take<V>(size);
        factors = arena.take<V>(Phases<T>::factor_size(p.n_bits));
        results = arena.take<V>(static_cast<size_t>(p.n_outputs) * n_states);
        turns = arena.take<Turn<T>>(static_cast<size_t>(p.n_layers) * p.n_bits);
        axes = arena.take<Axis3<T>>(2 * p.max_rotations), along = arena.take<Axis3<T>>(2 * p.max_links);
        states = arena.take<V*>(n_states);
        spare = arena.take<V>(2 * size);
        for (int s = 0; s < n_states; ++s) {
            V* state = arena.take<V>(2 * size);
            if (states != nullptr) states[s] = state;
        }
    }

    void fill_shared() {
        for (int k = 0; k < p.n_angles; ++k)
            if (p.angles[k].input < 0)
                half[2 * k] = splat<T>(call.half[2 * k]), half[2 * k + 1] = splat<T>(call.half[2 * k + 1]);
    }

    // Lanes past the last row repeat it.
    void load(V* to, const T* from, int64_t columns) const {
        for (int64_t c = 0; c < columns; ++c)
            for (int i = 0; i < width; ++i) to[c][i] = from[(row + (i < rows ? i : rows - 1)) * columns + c];
    }

    void load_gradient(V* to, const T* from, int64_t columns) const {
        for (int64_t c = 0; c < columns; ++c)
            for (int i = 0; i < width; ++i) to[c][i] = i < rows ? from[(row + i) * columns + c] : 0;
    }

    void store(const V* from, T* to, int64_t columns) const {
        for (int64_t c = 0; c < columns; ++c)
            for (int i = 0; i < rows; ++i) to[(row + i) * columns + c] = from[c][i];
    }

    void start(int64_t block) {
        row = block * width;
        rows = call.batch - row < width ? static_cast<int>(call.batch - row) : width;
        load(inputs, call.inputs, p.n_inputs);
        for (int k = 0; k < p.n_angles; ++k) {
            const int input = p.angles[k].input;
            if (input < 0) continue;
            V angle = (inputs[input] * call.slope[k] + call.base[k]) * static_cast<T>(0.5);
            sine_cosine<T>(angle, half[2 * k + 1], half[2 * k]);
        }
        for (int run = 0; run < p.n_layers * p.n_bits; ++run)
            if (p.kinds[run] != NONE) split_run<T>(first_rotation(run), count(run), half, turns[run]);
    }

    void note_drift(V deviation) {
        for (int i = 0; i < width; ++i) {
            const double found = static_cast<double>(deviation[i] < 0 ? -deviation[i] : deviation[i]);
            if (found > drift) drift = found;
        }
    }

    const Rotation* first_rotation(int run) const { return p.rotations + p.run_start[run]; }
    int count(int run) const { return p.run_start[run + 1] - p.run_start[run]; }
    bool last_phases() const { return call.mode == STATE || !p.diagonal_words; }
    bool has_phases(int layer) const { return layer + 1 < p.n_layers || last_phases(); }
    Phases<T> phases() const { return {p, call, turns, inputs, table, factors, phase}; }

    Readout<T> readout() const {
        return {p, last_phases() ? nullptr : phases().permutation(p.n_layers - 1), sums};
    }

    Turns<T> turns_of(int layer, bool inverse) const {
        Turns<T> found;
        for (int b = 0; b < p.n_bits; ++b) {
            const Turn<T>& t = turns[layer * p.n_bits + b];
            if (p.kinds[layer * p.n_bits + b] != TURNING) continue;
            found.bits[found.count] = b + 1;
            found.p[found.count] = inverse ? -t.p : t.p, found.s[found.count] = inverse ? -t.s : t.s;
            ++found.count;
            if (b + 1 < near) ++found.low;
        }
        return found;
    }

    Axis3<T>* axes_of(int layer) const { return axes + (layer & 1) * p.max_rotations; }
    Axis3<T>* along_of(int layer) const { return along + (layer & 1) * p.max_links; }

    void find_axes_of(int layer) {
        Axis3<T>* to = axes_of(layer);
        for (int run = layer * p.n_bits; run < (layer + 1) * p.n_bits; ++run) {
            if (p.kinds[run] == NONE) continue;
            find_axes<T>(first_rotation(run), count(run), half, turns[run], to);
            to += count(run);
        }
        for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k) {
            const Link& link = p.links[k];
            const int run = layer * p.n_bits + link.bit;
            const Axis3<T>* from = axes_of(layer) + (p.run_start[run] - p.run_start[layer * p.n_bits]);
            Axis3<T> sum = {V{}, V{}, V{}};
            for (int r = 0; r < count(run); ++r) {
                const int angle = first_rotation(run)[r].angle;
                if (p.angles[angle].input != link.input) continue;
                const T slope = call.slope[angle];
                sum.x += from[r].x * slope, sum.y += from[r].y * slope, sum.z += from[r].z * slope;
            }
            along_of(layer)[k - p.link_start[layer]] = sum;
        }
    }

    // phase[x] = sum over terms of the layer that hold `input` of (-1)^|x & mask| slope; false where there are none.
    bool term_slopes(int layer, int input) const {
        bool any = false;
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k) {
            if (p.angles[p.terms[k].angle].input != input) continue;
            if (!any)
                for (size_t x = 0; x < size; ++x) phase[x] = V{};
            any = true;
            phase[p.terms[k].mask] += splat<T>(call.slope[p.terms[k].angle]);
        }
        if (any) sign_transform(phase, p.n_bits);
        return any;
    }

    bool has_terms(int layer, int input) const {
        bool any = false;
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k)
            any |= p.angles[p.terms[k].angle].input == input;
        return any;
    }

    static constexpr int within = -1, several = -2;

    // The one bit beyond a piece that a link of an input acts on, or `within` or `several`.
    int far_bit(int layer, int input) const {
        int bit = within;
        for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k)
            if (p.links[k].input == input && p.links[k].bit >= piece_bits())
                bit = bit == within ? p.links[k].bit : several;
        return bit;
    }

    int piece_bits() const { return p.n_bits < near - 1 ? p.n_bits : near - 1; }
    size_t piece() const { return static_cast<size_t>(1) << piece_bits(); }

    // Whether nothing of a tangent's layer reaches from piece to piece but the high turns.
    bool in_pieces(int layer, int s) const {
        return p.birth[s - 1] <= layer && has_phases(layer) && far_bit(layer, s - 1) != several &&
               !has_terms(layer, s - 1);
    }

    // What is swept after piece x of tangent s, to be fetched ahead.
    const V* next_piece(V* const* of, int s, size_t x) const {
        return s + 1 < call.n_states ? of[s + 1] + 2 * x : of[1] + 2 * (x + piece());
    }

    void total_phase(V& re, V& im) const {
        re = splat<T>(static_cast<T>(p.phase_re)), im = splat<T>(static_cast<T>(p.phase_im));
        for (int run = 0; run < p.n_layers * p.n_bits; ++run)
            if (p.kinds[run] != NONE) multiply(re, im, turns[run].ur, turns[run].ui);
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
