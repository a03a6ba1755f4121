// The sweep backwards: states and their duals are un-computed layer by layer while gradients are gathered.
#pragma once
#include "block.h"

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
    using Block<T>::width;

    V *xy, *grads, *by_input, *by_weight, *dual_spare;
    V** duals;
    Axis3<T>* pulled;

    Reverse(const Program& program, const Call<T>& call_, int n_states, Arena& arena)
        : Block<T>(program, call_, n_states, arena) {
        xy = arena.take<V>(2 * p.n_bits);
        grads = arena.take<V>(static_cast<size_t>(p.n_words) * (1 + p.n_inputs));
        by_input = arena.take<V>(p.n_inputs), by_weight = arena.take<V>(p.n_weights);
        pulled = arena.take<Axis3<T>>(p.max_links);
        duals = arena.take<V*>(n_states);
        dual_spare = arena.take<V>(2 * size);
        for (int s = 0; s < n_states; ++s) {
            V* dual = arena.take<V>(2 * size);
            if (duals != nullptr) duals[s] = dual;
        }
    }

    void restore(int64_t block) {
        const size_t bytes = 2 * size * sizeof(V);
        const char* from = reinterpret_cast<const char*>(call.saved) + block * call.n_states * bytes;
        for (int s = 0; s < call.n_states; ++s) {
            std::memcpy(static_cast<void*>(states[s]), from + s * bytes, bytes);
            std::memset(static_cast<void*>(duals[s]), 0, bytes);
        }
    }

    // Duals are half the gradient, so that d loss / d angle = Im <dual|axis.sigma|state>.
    void start_duals() {
        if (call.mode == STATE) {
            V re, im;
            this->total_phase(re, im);
            this->load_gradient(duals[0], call.grad_values, static_cast<int64_t>(2 * size));
            for (size_t x = 0; x < size; ++x)
                multiply(duals[0][2 * x], duals[0][2 * x + 1], re * static_cast<T>(0.5), im * static_cast<T>(-0.5));
            return;
        }
        const Readout<T> readout = this->readout();
        this->load_gradient(grads, call.grad_values, p.n_words);
        if (p.diagonal_words) readout.weigh(grads, 1);
        readout.pull_back(duals[0], states[0], grads, 1);
        if (call.n_states == 1) return;
        this->load_gradient(grads, call.grad_jacobian, static_cast<int64_t>(p.n_words) * p.n_inputs);
        for (int j = 0; j < p.n_inputs; ++j) {
            if (p.birth[j] >= p.n_layers) continue;
            if (p.diagonal_words) readout.weigh(grads + j, p.n_inputs);
            readout.pull_back(duals[0], states[1 + j], grads + j, p.n_inputs);
            readout.pull_back(duals[1 + j], states[0], grads + j, p.n_inputs);
        }
    }

    void unapply_phases(int layer) {
        for (size_t x = 0; x < size; ++x) sums[x] = V{};
        if (!this->has_phases(layer)) return;
        this->phases().build(layer);
        for (int s = 0; s < call.n_states; ++s)
            if (s == 0 || p.birth[s - 1] <= layer)
                this->phases().unapply(layer, states[s], duals[s], this->spare, dual_spare, sums);
        sign_transform(sums, p.n_bits);
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k)
            hand_on<T>(p, p.terms[k].angle, sums[p.terms[k].mask], gathered());
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

    void eject_links(int layer) {
        for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k) {
            const int s = 1 + p.links[k].input, bit = p.links[k].bit, at = k - p.link_start[layer];
            pulled[at] = {V{}, V{}, V{}};
            if (p.birth[s - 1] < layer)
                eject<T, true>(states[s], duals[s], states[0], duals[0], p.n_bits, bit, this->along[at], pulled[at]);
            else
                eject<T, false>(states[s], duals[s], states[0], duals[0], p.n_bits, bit, this->along[at], pulled[at]);
            // The sums of signs were taken before: <dual|[K, Z]|state> is what the injection K changes.
            const Axis3<T>&a = pulled[at], &b = this->along[at];
            sums[static_cast<size_t>(1) << bit] += a.x * b.y - a.y * b.x;
        }
    }

    void gather_runs(int layer) {
        const Axis3<T>* axes = this->axes;
        int turning = 0;
        for (int b = 0; b < p.n_bits; ++b) {
            const int run = layer * p.n_bits + b;
            if (p.kinds[run] == NONE) continue;
            Axis3<T> g = {V{}, V{}, sums[static_cast<size_t>(1) << b]};
            if (p.kinds[run] == TURNING) g.x = xy[2 * turning], g.y = xy[2 * turning + 1], ++turning;
            auto pulled_by_input = [&](int input) -> const Axis3<T>* {
                if (call.n_states == 1) return nullptr;
                for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k)
                    if (p.links[k].bit == b && p.links[k].input == input) return pulled + (k - p.link_start[layer]);
                return nullptr;
            };
            spread_run<T>(p, this->first_rotation(run), this->count(run), axes, g, gathered(), pulled_by_input);
            axes += this->count(run);
        }
    }

    void reverse_layer(int layer) {
        const Turns<T> t = this->turns_of(layer, true);
        unapply_phases(layer);
        this->find_axes_of(layer);
        if (call.n_states > 1) {
            for (int s = 1; s < call.n_states; ++s)
                if (p.birth[s - 1] <= layer) eject_terms(layer, s);
            eject_links(layer);
        }
        for (int k = 0; k < 2 * p.n_bits; ++k) xy[k] = V{};
        for (int s = 1; s < call.n_states; ++s)
            if (p.birth[s - 1] < layer) pull<T, true>(states[s], duals[s], p.n_bits + 1, t, xy);
        if (layer > 0)
            pull<T, true>(states[0], duals[0], p.n_bits + 1, t, xy);
        else
            pull<T, false>(states[0], duals[0], p.n_bits + 1, t, xy);
        gather_runs(layer);
    }

    void reverse(int64_t block) {
        this->start(block);
        restore(block);
        start_duals();
        for (int j = 0; j < p.n_inputs; ++j) by_input[j] = V{};
        for (int layer = p.n_layers - 1; layer >= 0; --layer) reverse_layer(layer);
        this->store(by_input, call.grad_inputs, p.n_inputs);
    }
};

}  // namespace QINN_ISA
}  // namespace qinn
