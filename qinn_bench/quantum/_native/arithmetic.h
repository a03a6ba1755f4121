// How many floating-point operations the kernel with a row in each lane executes for one row.
#pragma once
#include "program.h"

namespace qinn {

// Additions and multiplications count one each, so a fused multiply-add counts two. Counted is what is done to each
// amplitude or to each entry of a table of phases; what is done once per gate is left out.
class Arithmetic {
  public:
    Arithmetic(const Program& program, bool tangents, bool state)
        : p(program), size(static_cast<double>(static_cast<int64_t>(1) << p.n_bits)), tangents_(tangents),
          state_(state) {}

    double total(bool reverse) const {
        double sum = reverse ? start_duals() + measure_drift() : read_out();
        for (int layer = 0; layer < p.n_layers; ++layer) sum += reverse ? backwards(layer) : forwards(layer);
        return sum;
    }

  private:
    static constexpr double product = 6;  // of two complex numbers

    int count(int layer, Kind least) const {
        int found = 0;
        for (int b = 0; b < p.n_bits; ++b) found += p.kinds[layer * p.n_bits + b] >= least;
        return found;
    }

    int born(int before) const {
        int found = 0;
        for (int j = 0; tangents_ && j < p.n_inputs; ++j) found += p.birth[j] < before;
        return found;
    }

    int links(int layer) const { return tangents_ ? p.link_start[layer + 1] - p.link_start[layer] : 0; }

    bool moves(int layer) const { return p.exchange_start[layer + 1] > p.exchange_start[layer]; }
    bool has_phases(int layer) const { return layer + 1 < p.n_layers || state_ || !p.diagonal_words; }

    double fold() const { return 3 * size; }
    double transform() const { return p.n_bits * size; }

    // A piece of 64 amplitudes is transformed at a time; where a permutation is not linear, each bit is summed by itself.
    double sum_signs(int layer) const {
        bool linear = true;
        for (int k = p.exchange_start[layer]; k < p.exchange_start[layer + 1]; ++k) linear &= p.exchanges[k].c < 0;
        return ((p.n_bits < 6 ? p.n_bits : 6) + (linear ? 0 : p.n_bits)) * size;
    }

    double build(int layer) const {
        if (!has_phases(layer)) return 0;
        // The tables of the low and of the high bits are multiplied; those of the next layer's phases too, and on.
        double sum = product * size;
        if (layer + 1 < p.n_layers && moves(layer)) sum += 2 * product * size;
        bool shared = false, fed = false;
        for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k) {
            const bool input = p.angles[p.terms[k].angle].input >= 0;
            shared = shared || !input, fed = fed || input;
        }
        constexpr double sine_and_cosine = 28;
        return sum + shared * product * size + fed * (transform() + (sine_and_cosine + product) * size);
    }

    // Tangents of terms: the signs of their slopes, then their injection.
    double inject_terms(int layer, double each) const {
        double sum = 0;
        for (int j = 0; tangents_ && has_phases(layer) && j < p.n_inputs; ++j) {
            bool any = false;
            for (int k = p.term_start[layer]; k < p.term_start[layer + 1]; ++k)
                any = any || p.angles[p.terms[k].angle].input == j;
            sum += any * each;
        }
        return sum;
    }

    double forwards(int layer) const {
        const double turns = 6 * size * count(layer, TURNING), phases = has_phases(layer) * product * size;
        double sum = build(layer) + born(layer) * turns + born(layer + 1) * phases;
        // The product state is real: a number for the low bits times one for the high bits.
        sum += layer > 0 ? turns + phases : size + (tangents_ ? phases : phases / 3);
        return sum + 12 * size * links(layer) + inject_terms(layer, transform() + 5 * size);
    }

    double backwards(int layer) const {
        const bool phases = has_phases(layer);
        const double turning = size * count(layer, TURNING);
        // A pair of amplitudes of the state and its dual: four shears, and two inner products; in the first layer
        // the dual is contracted with the low and with the high bits of the state.
        double sum = build(layer) + (layer > 0 ? 16 * turning : 8 * size) + born(layer) * 16 * turning;
        sum += phases * (1 + born(layer + 1)) * (4 + 2 * product) * size;
        sum += phases * sum_signs(layer);
        for (int j = 0; tangents_ && j < p.n_inputs; ++j) {
            for (int k = p.link_start[layer]; k < p.link_start[layer + 1]; ++k)
                if (p.links[k].input == j) sum += (p.birth[j] < layer ? 36 : 24) * size;
        }
        return sum + inject_terms(layer, 2 * transform() + 12 * size);
    }

    double words() const {
        double sum = 0;
        if (p.n_flat_words > 0 && !p.single_words) sum += transform();
        return sum + 12 * size * (p.n_words - p.n_flat_words);
    }

    double registers() const {
        double sum = 0;
        for (int r = 0; r < p.n_registers; ++r)
            sum += size / static_cast<double>(int64_t{1} << __builtin_popcount(p.registers[r].zero));
        return sum;
    }

    double read_out() const {
        if (state_) return 9 * size + fold();
        const double densities = 3 * size + (p.single_words ? fold() : 0);
        return (1 + born(p.n_layers)) * (densities + words() + 2 * registers());
    }

    double start_duals() const {
        if (state_) return product * size;
        const double weigh = words() + registers() + (p.n_flat_words > 0 && p.single_words ? size : 0);
        return weigh + 2 * size + born(p.n_layers) * (weigh + 6 * size);
    }

    double measure_drift() const { return 6 * size; }

    const Program& p;
    const double size;
    const bool tangents_, state_;
};

}  // namespace qinn
