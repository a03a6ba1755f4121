// The sweep backwards: states and their duals are un-computed layer by layer while gradients are gathered.
#pragma once
#include "block.h"
#include "signs.h"

namespace qinn {
namespace QINN_ISA {

template <class T>
struct Reverse : Block<T> {
    using V = Vec<T>;
    using Block<T>::p;
    using Block<T>::call;
    using Block<T>::size;
    using Block<T>::states;
    using Block<T>::sums;

    V *about_y, *grads, *by_input, *by_weight, *dual_spare, *overlaps;
    V** duals;
    Axis3<T>*generators, *pulled;
    SignSums<T> signs;
    bool wants_x[32] = {};

    Reverse(const Program& program, const Call<T>& call_, int n_states, Arena& arena)
        : Block<T>(program, call_, n_states, arena, QINN_NEAR_REVERSE), signs{program, nullptr, nullptr} {
        about_y = arena.take<V>(p.n_bits);
        generators = arena.take<Axis3<T>>(2 * p.n_bits);
        grads = arena.take<V>(static_cast<size_t>(p.n_outputs) * (1 + p.n_inputs));
        by_input = arena.take<V>(p.n_inputs), by_weight = arena.take<V>(p.n_weights);
        pulled = arena.take<Axis3<T>>(2 * p.max_links);
        signs.totals = arena.take<V>(signs.room(p)), signs.masks = arena.take<uint32_t>(signs.room(p));
        duals = arena.take<V*>(n_states);
        dual_spare = arena.take<V>(2 * size);
        overlaps = arena.take<V>(ProductOverlaps<T>::room(p.n_bits, this->piece_bits()));
        for (int s = 0; s < n_states; ++s) {
            V* dual = arena.take<V>(2 * size);
            if (duals != nullptr) duals[s] = dual;
        }
    }

    const V* kept(int64_t block, int s) const {
        return reinterpret_cast<const V*>(call.saved) + (block * call.n_states + s) * 2 * size;
    }

    // Duals are half the gradient, so that d loss / d angle = Im <dual|axis.sigma|state>.
    void start_duals(int64_t block) {
        if (call.mode == STATE) {
            V re, im;
            this->total_phase(re, im);
            std::memcpy(static_cast<void*>(states[0]), kept(block, 0), 2 * size * sizeof(V));
            this->load_gradient(duals[0], call.grad_values, static_cast<int64_t>(2 * size));
            for (size_t x = 0; x < size; ++x)
                multiply(duals[0][2 * x], duals[0][2 * x + 1], re * static_cast<T>(0.5), im * static_cast<T>(-0.5));
            return;
        }
        const Readout<T> readout = this->readout();
        this->load_gradient(grads, call.grad_values, p.n_outputs);
        readout.pull_back(kept(block, 0), states[0], duals[0], grads, 1);
        if (call.n_states == 1) return;
        this->load_gradient(grads, call.grad_jacobian, static_cast<int64_t>(p.n_outputs) * p.n_inputs);
        for (int j = 0; j < p.n_inputs; ++j) {
            if (p.birth[j] >= p.n_layers) continue;
            readout.pull_back_tangent(kept(block, 1 + j), states[0], states[1 + j], duals[0], duals[1 + j], grads + j,
                                      p.n_inputs);
        }
    }

    // Takes tangents of terms with inputs back; their scales get d loss / d slope.
    void eject_terms(int layer, int s) {
        if (!this->has_phases(layer) || !this->term_slopes(layer, s - 1)) return;
        V *state = states[0], *dual = duals[0], *tangent = states[s], *dual_tangent = duals[s], *phase = this->phase;
        for (size_t x = 0; x < size; ++x) {
            const V k = phase[x] * static_cast<T>(0.5);
            V ar = state[2 * x], ai = state[2 * x + 1], br = dual_tangent[2 * x], bi = dual_tangent[2 * x + 1];
            tangent[2 * x] -= k * ai, tangent[2 * x + 1] += k * ar;
            dual[2 * x] -= k * bi, dual[2 * x + 1] += k * br;
            phase[x] = br * ai - bi * ar;
        }
        sign_transform(phase, p.n_bits);
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k) {
            const Angle& a = p.angles[p.terms[k].angle];
            if (a.input == s - 1 && a.scale >= 0)
                by_weight[a.scale] += phase[p.terms[k].mask] * static_cast<T>(a.factor);
        }
    }

    Gathered<T> gathered() const { return {this->inputs, by_input, by_weight, call.slope}; }

    Axis3<T>* pulled_of(int layer) const { return pulled + (layer & 1) * p.max_links; }
    Axis3<T>* generators_of(int layer) const { return generators + (layer & 1) * p.n_bits; }

    template <bool undo>
    void eject_links(int layer, int input, int low, int high, V* tangent, const V* dual_tangent, const V* state,
                     V* dual, int n) {
        for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k) {
            const int at = k - p.link_start[layer];
            if (p.links[k].input == input && p.links[k].bit >= low && p.links[k].bit < high)
                eject<T, undo>(tangent, dual_tangent, state, dual, n, p.links[k].bit, this->along_of(layer)[at],
                               pulled_of(layer)[at]);
        }
    }

    void unapply(int layer, int s) {
        if (!this->has_phases(layer)) return;
        const int32_t* to = this->phases().permutation(layer);
        V *a = to ? this->spare : states[s], *b = to ? dual_spare : duals[s];
        this->phases().unapply(layer, states[s], duals[s], a, b, sums, 0, size);
        if (to) exchange(states[s], this->spare), exchange(duals[s], dual_spare);
    }

    // Where there are no tangents, a piece's sums are used while they are near.
    void unapply_piece(int layer, int s, V* state, V* dual, size_t x) {
        const bool one = call.n_states == 1;
        for (size_t i = 0; one && i < this->piece(); ++i) sums[i] = V{};
        this->phases().unapply(layer, states[s], duals[s], state, dual, one ? sums - x : sums, x, this->piece());
        if (one) signs.add(sums, x, this->piece_bits());
    }

    // Generators about x come from the sums of signs on both sides of a turn; this is where that is ill-conditioned.
    bool needs_x(int layer, int bit) const {
        return layer == 0 || near_multiple_of_pi<T>(this->turns[layer * p.n_bits + bit]);
    }

    // Of bits [first, last), on `n` bits of a state and its dual.
    void pull_all_x(int layer, const V* state, const V* dual, int n, int first, int last) {
        for (int b = first; b < last; ++b)
            if (wants_x[b]) generators_of(layer)[b].x += pull_x<T>(state, dual, n, b);
    }

    void pull_piece(int layer, const Turns<T>& t, V* state, V* dual, const V* ahead, const V* dual_ahead) {
        const int n = this->piece_bits();
        pull_all_x(layer, state, dual, n, 0, n);
        pull_some<T>(state, dual, n + 1, t, 0, t.low, about_y, ahead, dual_ahead);
    }

    void pull_high(int layer, const Turns<T>& t, V* state, V* dual) {
        pull_all_x(layer, state, dual, p.n_bits, this->piece_bits(), p.n_bits);
        pull_some<T>(state, dual, p.n_bits + 1, t, t.low, t.count, about_y);
    }

    void pull(int layer, int s, const Turns<T>& t) {
        for (size_t x = 0; x < size; x += this->piece())
            pull_piece(layer, t, states[s] + 2 * x, duals[s] + 2 * x, nullptr, nullptr);
        pull_high(layer, t, states[s], duals[s]);
    }

    bool goes_in_pieces(int layer, int s) const { return p.birth[s - 1] < layer && this->in_pieces(layer, s); }

    void reverse_whole(int layer, int s, const Turns<T>& t) {
        unapply(layer, s);
        eject_terms(layer, s);
        if (p.birth[s - 1] < layer) {
            eject_links<true>(layer, s - 1, 0, p.n_bits, states[s], duals[s], states[0], duals[0], p.n_bits);
            pull(layer, s, t);
        } else {
            eject_links<false>(layer, s - 1, 0, p.n_bits, states[s], duals[s], states[0], duals[0], p.n_bits);
        }
    }

    // Takes a piece of one state and its dual back over the phases and the low turns; links are ejected in between, and
    // with a link on a far bit two pieces go together.
    void reverse_piece(int layer, int s, const Turns<T>& t, V* state, V* dual, size_t x, const V* ahead,
                       const V* dual_ahead) {
        const int far = s > 0 ? this->far_bit(layer, s - 1) : this->within, n = this->piece_bits();
        const size_t apart = far == this->within ? 0 : static_cast<size_t>(1) << far;
        if (x & apart) return;
        for (size_t at = x; at <= x + apart; at += apart + (apart == 0)) {
            unapply_piece(layer, s, state, dual, at);
            if (s > 0) eject_piece(layer, s, 0, n, state, dual, at, n);
        }
        if (apart) eject_piece(layer, s, n, p.n_bits, state, dual, x, n + 1);
        for (size_t at = x; at <= x + apart; at += apart + (apart == 0))
            pull_piece(layer, t, state + 2 * at, dual + 2 * at, ahead, dual_ahead);
    }

    void eject_piece(int layer, int s, int low, int high, V* state, V* dual, size_t x, int n) {
        eject_links<true>(layer, s - 1, low, high, state + 2 * x, dual + 2 * x, states[0] + 2 * x, duals[0] + 2 * x, n);
    }

    void reverse_in_pieces(int layer, int s, const Turns<T>& t) {
        const bool moves = this->phases().permutation(layer) != nullptr;
        V *a = moves ? this->spare : states[s], *b = moves ? dual_spare : duals[s];
        for (size_t x = 0; x < size; x += this->piece()) {
            const size_t next = 2 * (x + this->piece());
            reverse_piece(layer, s, t, a, b, x, moves ? nullptr : a + next, moves ? nullptr : b + next);
        }
        if (moves) exchange(states[s], this->spare), exchange(duals[s], dual_spare);
        pull_high(layer, t, states[s], duals[s]);
    }

    // All tangents piece by piece, so that pieces of the state, its dual and the phases stay near.
    void reverse_together(int layer, const Turns<T>& t) {
        for (size_t x = 0; x < size; x += this->piece())
            for (int s = 1; s < call.n_states; ++s)
                if (goes_in_pieces(layer, s))
                    reverse_piece(layer, s, t, states[s], duals[s], x, this->next_piece(states, s, x),
                                  this->next_piece(duals, s, x));
        for (int s = 1; s < call.n_states; ++s)
            if (goes_in_pieces(layer, s)) pull_high(layer, t, states[s], duals[s]);
    }

    void reverse_tangents(int layer, const Turns<T>& t) {
        const bool moves = this->phases().permutation(layer) != nullptr;
        for (int s = 1; s < call.n_states; ++s) {
            if (p.birth[s - 1] > layer) continue;
            if (!goes_in_pieces(layer, s))
                reverse_whole(layer, s, t);
            else if (moves)
                reverse_in_pieces(layer, s, t);
        }
        if (!moves) reverse_together(layer, t);
    }

    // Signs summed over the states on the far side of a layer's phases finish the layer after it.
    void finish(int layer, const V* before) {
        const Axis3<T>* axes = this->axes_of(layer);
        for (int b = 0; b < p.n_bits; ++b) {
            const int run = layer * p.n_bits + b;
            if (p.kinds[run] == NONE) continue;
            Axis3<T> g = generators_of(layer)[b];
            if (p.kinds[run] == TURNING && !needs_x(layer, b)) {
                const V c = this->turns[run].c, s = this->turns[run].s;
                g.x = (before[b] - (c * c - s * s) * g.z) / ((c + c) * s);
            }
            auto pulled_by_input = [&](int input) -> const Axis3<T>* {
                if (call.n_states == 1) return nullptr;
                for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k)
                    if (p.links[k].bit == b && p.links[k].input == input)
                        return pulled_of(layer) + (k - p.link_start[layer]);
                return nullptr;
            };
            spread_run<T>(p, this->first_rotation(run), this->count(run), axes, g, gathered(), pulled_by_input);
            axes += this->count(run);
        }
    }

    // From the sums of signs: gradients of the terms, generators about z, and what the layer after this one waits for.
    void use_sums(int layer) {
        for (int k = 0; k < signs.terms; ++k)
            hand_on<T>(p, p.terms[p.term_start[layer] + k].angle, signs.term(k), gathered());
        if (layer + 1 < p.n_layers) finish(layer + 1, signs.after());
        for (int b = 0; b < p.n_bits; ++b) generators_of(layer)[b].z = signs.before()[b];
        if (call.n_states == 1) return;
        for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k) {
            // The sums were taken before the injections K went: <dual|[K, Z]|state> is what those change.
            const Axis3<T>& a = pulled_of(layer)[k - p.link_start[layer]];
            const Axis3<T>& b = this->along_of(layer)[k - p.link_start[layer]];
            generators_of(layer)[p.links[k].bit].z += a.x * b.y - a.y * b.x;
        }
    }

    void reverse_layer(int layer) {
        const Turns<T> t = this->turns_of(layer, true);
        for (int b = 0; b < p.n_bits; ++b) {
            generators_of(layer)[b] = {V{}, V{}, V{}}, about_y[b] = V{};
            wants_x[b] = p.kinds[layer * p.n_bits + b] == TURNING && needs_x(layer, b);
        }
        for (int k = 0; k < p.link_start[layer + 1] - p.link_start[layer]; ++k) pulled_of(layer)[k] = {V{}, V{}, V{}};
        this->find_axes_of(layer);
        const bool phases = this->has_phases(layer), one = call.n_states == 1 && phases;
        signs.start(layer, this->phases().permutation(layer));
        if (phases) this->phases().build(layer);
        if (one && layer > 0) reverse_in_pieces(layer, 0, t);
        if (!one) reverse_states(layer, t);
        if (layer == 0) pull_start(one);
        use_sums(layer);
        if (!one && layer > 0) pull(layer, 0, t);
        for (int k = 0; layer > 0 && k < t.count; ++k) generators_of(layer)[t.bits[k] - 1].y = about_y[k];
        if (layer == 0) finish(layer, nullptr);
    }

    void reverse_states(int layer, const Turns<T>& t) {
        const bool phases = this->has_phases(layer);
        for (size_t x = 0; phases && x < size; ++x) sums[x] = V{};
        unapply(layer, 0);
        reverse_tangents(layer, t);
        for (size_t x = 0; phases && x < size; x += this->piece()) signs.add(sums + x, x, this->piece_bits());
    }

    void reverse(int64_t block) {
        this->start(block);
        start_duals(block);
        for (int j = 0; j < p.n_inputs; ++j) by_input[j] = V{};
        for (int layer = p.n_layers - 1; layer >= 0; --layer) reverse_layer(layer);
        this->store(by_input, call.grad_inputs, p.n_inputs);
    }

    // The inner products of the first layer, and how far the un-computed state is from where the sweep forwards started.
    void pull_start(bool in_pieces) {
        const ProductOverlaps<T> start(p.kinds, this->turns, p.n_bits, this->piece_bits(), overlaps);
        V distance = {}, *a = this->spare, *b = dual_spare;
        for (size_t at = 0; at < start.pieces(); ++at) {
            const size_t first = 2 * at * this->piece();
            if (in_pieces) unapply_piece(0, 0, a - first, b - first, first / 2);
            distance += start.add(at, in_pieces ? a : states[0] + first, in_pieces ? b : duals[0] + first);
        }
        this->note_drift(root(distance));
        start.finish([&](int bit, V x, V y) { generators_of(0)[bit].x = x, generators_of(0)[bit].y = y; });
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
