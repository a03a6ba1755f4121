// The sweep forwards: a block of samples through all layers, tangents beside the states, up to the readout.
#pragma once
#include "block.h"

namespace qinn {
namespace QINN_ISA {

template <class T>
struct Forward : Block<T> {
    using B = Block<T>;
    using V = Vec<T>;
    using B::along_of;
    using B::call;
    using B::far_bit;
    using B::has_phases;
    using B::p;
    using B::phase;
    using B::phases;
    using B::piece;
    using B::piece_bits;
    using B::size;
    using B::spare;
    using B::states;
    using B::turns;

    Forward(const Program& program, const Call<T>& call_, int n_states, Arena& arena)
        : B(program, call_, n_states, arena, QINN_NEAR_FORWARD) {}

    // The product state, from tables over the bits within a piece and over those beyond; with the first layer's phases
    // where one state goes piece by piece.
    void start_state(bool one) {
        const int n = piece_bits();
        V *low = this->sums, *high = low + piece(), *state = states[0];
        product_state<T>(p.kinds, turns, 0, n, low);
        product_state<T>(p.kinds, turns, n, p.n_bits, high);
        V* out = one && phases().permutation(0) ? spare : state;
        for (size_t x = 0; one && x < size; x += piece()) phases().start(0, low, high[x >> n], out, x, piece());
        if (out == spare) exchange(states[0], spare);
        for (size_t x = 0; !one && x < size; ++x)
            state[2 * x] = low[x & (piece() - 1)] * high[x >> n], state[2 * x + 1] = V{};
    }

    void inject_terms(V* tangent, const V* state) const {
        for (size_t x = 0; x < size; ++x) {
            const V k = phase[x] * static_cast<T>(0.5);
            tangent[2 * x] += k * state[2 * x + 1], tangent[2 * x + 1] -= k * state[2 * x];
        }
    }

    // Links of an input on the bits [low, high), over 2^n amplitudes.
    void inject_links(int layer, int input, int low, int high, V* tangent, const V* state, int n) const {
        for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k)
            if (p.links[k].input == input && p.links[k].bit >= low && p.links[k].bit < high)
                inject<T>(tangent, state, n, p.links[k].bit, along_of(layer)[k - p.link_start[layer]]);
    }

    void turn_low(const Turns<T>& t, V* state) const {
        for (size_t x = 0; x < size; x += piece()) turn_some<T>(state + 2 * x, piece_bits() + 1, t, 0, t.low);
    }

    void forward_state(int layer, V*& state) {
        if (!has_phases(layer)) return;
        const int32_t* to = phases().permutation(layer);
        phases().apply(layer, state, to ? spare : state, 0, size);
        if (to) exchange(state, spare);
    }

    void forward_tangent(int layer, int s, const Turns<T>& t) {
        if (p.birth[s - 1] < layer) {
            turn_some<T>(states[s], p.n_bits + 1, t, t.low, t.count);
            turn_low(t, states[s]);
        }
        inject_links(layer, s - 1, 0, p.n_bits, states[s], states[0], p.n_bits);
        if (has_phases(layer) && this->term_slopes(layer, s - 1)) inject_terms(states[s], states[0]);
        forward_state(layer, states[s]);
    }

    // Turns a piece of a state by the low bits, injects the links of a tangent's input and applies the phases; with a
    // link on a far bit, two pieces go together.
    void forward_piece(int layer, int s, const Turns<T>& t, bool turning, size_t x, const V* ahead) {
        const int32_t* to = phases().permutation(layer);
        const int far = s > 0 ? far_bit(layer, s - 1) : B::within, n = piece_bits();
        const size_t apart = far == B::within ? 0 : static_cast<size_t>(1) << far;
        if (x & apart) return;
        for (size_t at = x; at <= x + apart; at += apart + (apart == 0)) {
            if (turning) turn_some<T>(states[s] + 2 * at, n + 1, t, 0, t.low, ahead);
            if (s > 0) inject_links(layer, s - 1, 0, n, states[s] + 2 * at, states[0] + 2 * at, n);
        }
        // Over n + 1 bits the first group of indices pairs the piece at x with the one `apart` from it.
        if (apart) inject_links(layer, s - 1, n, p.n_bits, states[s] + 2 * x, states[0] + 2 * x, n + 1);
        for (size_t at = x; at <= x + apart; at += apart + (apart == 0))
            phases().apply(layer, states[s], to ? spare : states[s], at, piece());
    }

    void forward_in_pieces(int layer, int s, const Turns<T>& t, bool turning) {
        for (size_t x = 0; x < size; x += piece())
            forward_piece(layer, s, t, turning, x, states[s] + 2 * (x + piece()));
        if (phases().permutation(layer)) exchange(states[s], spare);
    }

    void forward_tangents(int layer, const Turns<T>& t) {
        const bool moves = phases().permutation(layer) != nullptr;
        for (int s = 1; s < call.n_states; ++s) {
            if (p.birth[s - 1] > layer) continue;
            if (!this->in_pieces(layer, s)) {
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
                if (this->in_pieces(layer, s))
                    forward_piece(layer, s, t, p.birth[s - 1] < layer, x, this->next_piece(states, s, x));
    }

    void forward_layer(int layer) {
        const Turns<T> t = this->turns_of(layer, false);
        const bool one = call.n_states == 1 && has_phases(layer);
        if (has_phases(layer)) phases().build(layer);
        if (layer == 0)
            start_state(one);
        else
            turn_some<T>(states[0], p.n_bits + 1, t, t.low, t.count);
        if (layer > 0 && one) forward_in_pieces(layer, 0, t, true);
        if (one) return;
        if (layer > 0) turn_low(t, states[0]);
        if (call.n_states > 1) this->find_axes_of(layer);
        if (call.n_states > 1) forward_tangents(layer, t);
        forward_state(layer, states[0]);
    }

    void forward(int64_t block) {
        this->start(block);
        for (int s = 1; s < call.n_states; ++s)
            for (size_t i = 0; i < 2 * size; ++i) states[s][i] = V{};
        for (int layer = 0; layer < p.n_layers; ++layer) forward_layer(layer);
        if (call.saved != nullptr) save(block);
        if (call.mode == STATE) {
            store_state();
            return;
        }
        this->note_drift(this->readout().between(states[0], states[0], splat<T>(1), this->results, 1) - splat<T>(1));
        this->store(this->results, call.values, p.n_outputs);
        if (call.n_states == 1) return;
        for (int j = 0; j < p.n_inputs; ++j)
            this->readout().between(states[0], states[1 + j], splat<T>(2), this->results + j, p.n_inputs);
        this->store(this->results, call.jacobian, static_cast<int64_t>(p.n_outputs) * p.n_inputs);
    }

    void save(int64_t block) const {
        const size_t bytes = 2 * size * sizeof(V);
        char* to = reinterpret_cast<char*>(call.saved) + block * call.n_states * bytes;
        for (int s = 0; s < call.n_states; ++s) std::memcpy(to + s * bytes, states[s], bytes);
    }

    void store_state() {
        V re, im;
        this->total_phase(re, im);
        for (size_t x = 0; x < size; ++x) {
            V &a = states[0][2 * x], &b = states[0][2 * x + 1];
            multiply(a, b, re, im);
            this->sums[x] = a * a + b * b;
        }
        V by_bit[32];
        fold(this->sums, p.n_bits, by_bit);
        this->note_drift(this->sums[0] - splat<T>(1));
        this->store(states[0], call.values, static_cast<int64_t>(2 * size));
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
