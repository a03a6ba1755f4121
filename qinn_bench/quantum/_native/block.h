// One block of lanes: its workspace, the gates of its samples, and the sweep forward through the layers.
#pragma once
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
    V *inputs, *half, *sums, *table, *other, *phase, *results;
    Turn<T>* turns;
    Axis3<T>*axes, *along;  // of one layer: per rotation, per link; twice, for even and odd layers
    V** states;
    V* spare;
    int near = QINN_NEAR_FORWARD;  // a piece is 2^near vectors
    int64_t row = 0;  // first sample of the block
    int rows = 0;     // samples in it

    Block(const Program& program, const Call<T>& call_, int n_states, Arena& arena) : p(program), call(call_) {
        size = static_cast<size_t>(1) << p.n_bits;
        inputs = arena.take<V>(p.n_inputs);
        half = arena.take<V>(2 * p.n_angles);
        sums = arena.take<V>(size);
        table = arena.take<V>(2 * size), other = arena.take<V>(2 * size), phase = arena.take<V>(size);
        results = arena.take<V>(static_cast<size_t>(p.n_words) * n_states);
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

    const Rotation* first_rotation(int run) const { return p.rotations + p.run_start[run]; }
    int count(int run) const { return p.run_start[run + 1] - p.run_start[run]; }
    bool last_phases() const { return call.mode == STATE || !p.diagonal_words; }
    bool has_phases(int layer) const { return layer + 1 < p.n_layers || last_phases(); }
    Phases<T> phases() const { return {p, call, turns, inputs, table, other, phase}; }

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

    // The RY of the first layer give a real product state.
    void product_state(V* state) const {
        for (size_t i = 0; i < 2 * size; ++i) state[i] = V{};
        state[0] = splat<T>(1);
        for (int b = 0; b < p.n_bits; ++b) {
            const bool turning = p.kinds[b] == TURNING;
            if (!turning) continue;
            const size_t half_size = static_cast<size_t>(2) << b;
            const V c = turns[b].c, s = turns[b].s;
            for (size_t i = 0; i < half_size; i += 2) {
                state[half_size + i] = state[i] * s;
                state[i] *= c;
            }
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

    void inject_terms(V* tangent, const V* state) const {
        for (size_t x = 0; x < size; ++x) {
            const V k = phase[x] * static_cast<T>(0.5);
            tangent[2 * x] += k * state[2 * x + 1], tangent[2 * x + 1] -= k * state[2 * x];
        }
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

    // Links of an input on the bits [low, high), over 2^n amplitudes.
    void inject_links(int layer, int input, int low, int high, V* tangent, const V* state, int n) const {
        for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k)
            if (p.links[k].input == input && p.links[k].bit >= low && p.links[k].bit < high)
                inject<T>(tangent, state, n, p.links[k].bit, along_of(layer)[k - p.link_start[layer]]);
    }

    int piece_bits() const { return p.n_bits < near - 1 ? p.n_bits : near - 1; }
    size_t piece() const { return static_cast<size_t>(1) << piece_bits(); }

    void turn_low(const Turns<T>& t, V* state) const {
        for (size_t x = 0; x < size; x += piece()) turn_some<T>(state + 2 * x, piece_bits() + 1, t, 0, t.low);
    }

    void forward_state(int layer, V*& state) {
        if (!has_phases(layer)) return;
        const int32_t* to = phases().permutation(layer);
        phases().apply(to, state, to ? spare : state, 0, size);
        if (to) exchange(state, spare);
    }

    void forward_tangent(int layer, int s, const Turns<T>& t) {
        if (p.birth[s - 1] < layer) {
            turn_some<T>(states[s], p.n_bits + 1, t, t.low, t.count);
            turn_low(t, states[s]);
        }
        inject_links(layer, s - 1, 0, p.n_bits, states[s], states[0], p.n_bits);
        if (has_phases(layer) && term_slopes(layer, s - 1)) inject_terms(states[s], states[0]);
        forward_state(layer, states[s]);
    }

    bool has_terms(int layer, int input) const {
        bool any = false;
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k)
            any |= p.angles[p.terms[k].angle].input == input;
        return any;
    }

    // Turns a piece of a state by the low bits, injects the links of a tangent's input and applies the phases; with a
    // link on a far bit, two pieces go together.
    void forward_piece(int layer, int s, const Turns<T>& t, bool turning, size_t x, const V* ahead) {
        const int32_t* to = phases().permutation(layer);
        const int far = s > 0 ? far_bit(layer, s - 1) : within, n = piece_bits();
        const size_t apart = far == within ? 0 : static_cast<size_t>(1) << far;
        if (x & apart) return;
        for (size_t at = x; at <= x + apart; at += apart + (apart == 0)) {
            if (turning) turn_some<T>(states[s] + 2 * at, n + 1, t, 0, t.low, ahead);
            if (s > 0) inject_links(layer, s - 1, 0, n, states[s] + 2 * at, states[0] + 2 * at, n);
        }
        // Over n + 1 bits the first group of indices pairs the piece at x with the one `apart` from it.
        if (apart) inject_links(layer, s - 1, n, p.n_bits, states[s] + 2 * x, states[0] + 2 * x, n + 1);
        for (size_t at = x; at <= x + apart; at += apart + (apart == 0))
            phases().apply(to, states[s], to ? spare : states[s], at, piece());
    }

    // What is swept after piece x of tangent s, to be fetched ahead.
    const V* next_piece(V* const* of, int s, size_t x) const {
        return s + 1 < call.n_states ? of[s + 1] + 2 * x : of[1] + 2 * (x + piece());
    }

    void forward_in_pieces(int layer, int s, const Turns<T>& t, bool turning) {
        for (size_t x = 0; x < size; x += piece()) forward_piece(layer, s, t, turning, x, states[s] + 2 * (x + piece()));
        if (phases().permutation(layer)) exchange(states[s], spare);
    }

    // Whether nothing of a tangent's layer reaches from piece to piece but the high turns.
    bool in_pieces(int layer, int s) const {
        return p.birth[s - 1] <= layer && has_phases(layer) && far_bit(layer, s - 1) != several && !has_terms(layer, s - 1);
    }

    void forward_tangents(int layer, const Turns<T>& t) {
        const bool moves = phases().permutation(layer) != nullptr;
        for (int s = 1; s < call.n_states; ++s) {
            if (p.birth[s - 1] > layer) continue;
            if (!in_pieces(layer, s)) {
                forward_tangent(layer, s, t);
                continue;
            }
            if (p.birth[s - 1] < layer) turn_some<T>(states[s], p.n_bits + 1, t, t.low, t.count);
            if (moves) forward_in_pieces(layer, s, t, p.birth[s - 1] < layer);
        }
        if (moves) return;
        // Piece by piece, so that pieces of the state and of the phases stay near.
        for (size_t x = 0; x < size; x += piece())
            for (int s = 1; s < call.n_states; ++s)
                if (in_pieces(layer, s)) forward_piece(layer, s, t, p.birth[s - 1] < layer, x, next_piece(states, s, x));
    }

    void forward_layer(int layer) {
        const Turns<T> t = turns_of(layer, false);
        if (layer == 0)
            product_state(states[0]);
        else
            turn_some<T>(states[0], p.n_bits + 1, t, t.low, t.count);
        if (has_phases(layer)) phases().build(layer);
        if (call.n_states == 1 && has_phases(layer)) {
            forward_in_pieces(layer, 0, t, layer > 0);
            return;
        }
        if (layer > 0) turn_low(t, states[0]);
        if (call.n_states > 1) find_axes_of(layer);
        if (call.n_states > 1) forward_tangents(layer, t);
        forward_state(layer, states[0]);
    }

    void forward(int64_t block) {
        start(block);
        for (int s = 1; s < call.n_states; ++s)
            for (size_t i = 0; i < 2 * size; ++i) states[s][i] = V{};
        for (int layer = 0; layer < p.n_layers; ++layer) forward_layer(layer);
        if (call.saved != nullptr) save(block);
        if (call.mode == STATE) {
            store_state();
            return;
        }
        readout().between(states[0], states[0], splat<T>(1), results, 1);
        store(results, call.values, p.n_words);
        if (call.n_states == 1) return;
        for (int j = 0; j < p.n_inputs; ++j)
            readout().between(states[0], states[1 + j], splat<T>(2), results + j, p.n_inputs);
        store(results, call.jacobian, static_cast<int64_t>(p.n_words) * p.n_inputs);
    }

    void save(int64_t block) const {
        const size_t bytes = 2 * size * sizeof(V);
        char* to = reinterpret_cast<char*>(call.saved) + block * call.n_states * bytes;
        for (int s = 0; s < call.n_states; ++s) std::memcpy(to + s * bytes, states[s], bytes);
    }

    void total_phase(V& re, V& im) const {
        re = splat<T>(static_cast<T>(p.phase_re)), im = splat<T>(static_cast<T>(p.phase_im));
        for (int run = 0; run < p.n_layers * p.n_bits; ++run)
            if (p.kinds[run] != NONE) multiply(re, im, turns[run].ur, turns[run].ui);
    }

    void store_state() {
        V re, im;
        total_phase(re, im);
        for (size_t x = 0; x < size; ++x) multiply(states[0][2 * x], states[0][2 * x + 1], re, im);
        store(states[0], call.values, static_cast<int64_t>(2 * size));
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
