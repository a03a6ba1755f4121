// A compiled circuit that owns its tables: built once from the arrays of the Python side, read by every call.
#pragma once
#include <algorithm>
#include <cmath>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "checked.h"
#include "program.h"
#include "tables.h"

namespace qinn {

class Circuit {
  public:
    // Throws std::invalid_argument, a ValueError in Python, if the tables are no circuit.
    explicit Circuit(Tables given) : given_(std::move(given)) {
        const Checked checked(given_);
        const size_t n_angles = given_.angle_numbers.size() / 2, n_layers = given_.term_start.size() - 1;
        for (size_t k = 0; k < n_angles; ++k)
            angles_.push_back({given_.angle_parts[3 * k], given_.angle_parts[3 * k + 1], given_.angle_parts[3 * k + 2],
                               given_.angle_numbers[2 * k], given_.angle_numbers[2 * k + 1]});
        for (size_t k = 0; k + 1 < given_.rotations.size(); k += 2)
            rotations_.push_back({given_.rotations[k], given_.rotations[k + 1]});
        for (size_t k = 0; k + 1 < given_.terms.size(); k += 2)
            terms_.push_back({static_cast<uint32_t>(given_.terms[k]), given_.terms[k + 1]});
        for (size_t k = 0; k + 3 < given_.exchanges.size(); k += 4)
            exchanges_.push_back({given_.exchanges[k], given_.exchanges[k + 1], given_.exchanges[k + 2],
                                  given_.exchanges[k + 3]});
        find_readout();
        find_kinds();
        find_links(n_layers);
        fill(n_angles, n_layers);
    }

    Circuit(const Circuit&) = delete;
    Circuit& operator=(const Circuit&) = delete;

    const Program& program() const { return program_; }

    // The same with every layer's permutation as a table, built at the first call.
    const Program& with_tables() const {
        std::call_once(tabled_once_, [this] {
            build_permutations();
            tabled_ = program_;
            tabled_.perms = perms_.data(), tabled_.perm_at = perm_at_.data();
        });
        return tabled_;
    }

    // The phases of the diagonal terms without inputs, layer by layer; `at` is -1 where a layer has none.
    template <class T>
    void phase_tables(const std::vector<double>& base, std::vector<T>& tables, std::vector<int64_t>& at) const {
        const size_t size = static_cast<size_t>(1) << program_.n_bits;
        std::vector<double> phase(size);
        at.assign(program_.n_layers, -1);
        for (int layer = 0; layer < program_.n_layers; ++layer) {
            bool any = false;
            std::fill(phase.begin(), phase.end(), 0.0);
            for (int k = program_.term_start[layer]; k < program_.term_start[layer + 1]; ++k) {
                if (angles_[terms_[k].angle].input >= 0) continue;
                any = true;
                phase[terms_[k].mask] -= 0.5 * base[terms_[k].angle];
            }
            if (!any) continue;
            for (size_t h = 1; h < size; h *= 2)
                for (size_t block = 0; block < size; block += 2 * h)
                    for (size_t i = block; i < block + h; ++i) {
                        const double a = phase[i], b = phase[i + h];
                        phase[i] = a + b, phase[i + h] = a - b;
                    }
            at[layer] = static_cast<int64_t>(tables.size());
            for (double angle : phase) {
                tables.push_back(static_cast<T>(std::cos(angle)));
                tables.push_back(static_cast<T>(std::sin(angle)));
            }
        }
    }

  private:
    // Layers with the same exchanges share a table.
    void build_permutations() const {
        const auto start = [this](int layer) { return exchanges_.data() + given_.exchange_start[layer]; };
        const auto same = [](const Exchange& e, const Exchange& f) {
            return e.kind == f.kind && e.a == f.a && e.b == f.b && e.c == f.c;
        };
        for (int layer = 0; layer < program_.n_layers; ++layer) {
            const Exchange *first = start(layer), *last = start(layer + 1);
            int64_t at = -1;
            for (int other = 0; first != last && other < layer && at < 0; ++other)
                if (std::equal(first, last, start(other), start(other + 1), same)) at = perm_at_[other];
            if (first != last && at < 0) at = append_permutation(first, last);
            perm_at_.push_back(at);
        }
    }

    int64_t append_permutation(const Exchange* first, const Exchange* last) const {
        const size_t at = perms_.size(), size = static_cast<size_t>(1) << program_.n_bits;
        const bool linear = std::all_of(first, last, [](const Exchange& e) { return e.c < 0; });
        const auto image = [=](size_t x) {
            uint32_t y = static_cast<uint32_t>(x);
            for (const Exchange* e = first; e != last; ++e) y = moved(*e, y);
            return static_cast<int32_t>(y);
        };
        perms_.resize(at + size);
        int32_t* to = perms_.data() + at;
        for (size_t half = 1; half < size; half *= 2) {
            const int32_t far = image(half);
            for (size_t x = 0; x < half; ++x) to[half + x] = linear ? to[x] ^ far : image(half + x);
        }
        return static_cast<int64_t>(at);
    }

    void find_readout() {
        for (size_t k = 0; k < given_.coefficients.size(); ++k) {
            const int32_t* row = given_.words.data() + 4 * k;
            words_.push_back({static_cast<uint32_t>(row[0]), static_cast<uint32_t>(row[1]), row[2], row[3],
                              given_.coefficients[k]});
        }
        std::stable_partition(words_.begin(), words_.end(), [](const Word& word) { return word.flip == 0; });
        const int32_t* bits = given_.register_bits.data();
        for (size_t k = 0; k + 2 < given_.registers.size(); k += 3) {
            const int32_t* row = given_.registers.data() + k;
            registers_.push_back({static_cast<uint32_t>(row[0]), row[1], row[2], bits});
            bits += row[2];
        }
    }

    void find_kinds() {
        for (size_t run = 0; run + 1 < given_.run_start.size(); ++run) {
            int32_t kind = NONE;
            for (int r = given_.run_start[run]; r < given_.run_start[run + 1]; ++r)
                kind = std::max<int32_t>(kind, rotations_[r].axis == AXIS_Z ? DIAGONAL : TURNING);
            kinds_.push_back(static_cast<Kind>(kind));
        }
    }

    void find_links(size_t n_layers) {
        birth_.assign(given_.n_inputs, static_cast<int32_t>(n_layers));
        link_start_.push_back(0);
        for (size_t layer = 0; layer < n_layers; ++layer) {
            const int32_t now = static_cast<int32_t>(layer);
            for (int bit = 0; bit < given_.n_bits; ++bit) {
                const size_t run = layer * given_.n_bits + bit, first = links_.size();
                for (int r = given_.run_start[run]; r < given_.run_start[run + 1]; ++r) {
                    const int32_t input = angles_[rotations_[r].angle].input;
                    if (input < 0) continue;
                    birth_[input] = std::min(birth_[input], now);
                    bool known = false;
                    for (size_t k = first; k < links_.size(); ++k) known |= links_[k].input == input;
                    if (!known) links_.push_back({bit, input});
                }
            }
            for (int k = given_.term_start[layer]; k < given_.term_start[layer + 1]; ++k) {
                const int32_t input = angles_[terms_[k].angle].input;
                if (input >= 0) birth_[input] = std::min(birth_[input], now);
            }
            link_start_.push_back(static_cast<int32_t>(links_.size()));
        }
    }

    void fill(size_t n_angles, size_t n_layers) {
        Program& p = program_;
        p.n_bits = given_.n_bits, p.n_inputs = given_.n_inputs, p.n_weights = given_.n_weights;
        p.n_outputs = given_.n_outputs, p.n_words = static_cast<int32_t>(words_.size());
        p.n_registers = static_cast<int32_t>(registers_.size());
        p.n_layers = static_cast<int32_t>(n_layers), p.n_angles = static_cast<int32_t>(n_angles);
        p.angles = angles_.data(), p.rotations = rotations_.data(), p.run_start = given_.run_start.data();
        p.kinds = kinds_.data(), p.terms = terms_.data(), p.term_start = given_.term_start.data();
        p.links = links_.data(), p.link_start = link_start_.data(), p.birth = birth_.data();
        p.exchanges = exchanges_.data(), p.exchange_start = given_.exchange_start.data();
        p.words = words_.data(), p.registers = registers_.data();
        p.single_words = true;
        for (const Word& word : words_) {
            if (word.flip != 0) continue;
            ++p.n_flat_words;
            p.single_words = p.single_words && word.sign != 0 && (word.sign & (word.sign - 1)) == 0;
        }
        p.diagonal_words = p.n_flat_words == p.n_words;
        for (size_t layer = 0; layer < n_layers; ++layer) {
            const int32_t* runs = p.run_start + layer * p.n_bits;
            p.max_rotations = std::max(p.max_rotations, runs[p.n_bits] - runs[0]);
            p.max_links = std::max(p.max_links, link_start_[layer + 1] - link_start_[layer]);
        }
        p.phase_re = given_.phase_re, p.phase_im = given_.phase_im;
    }

    Tables given_;
    Program program_{};
    std::vector<Angle> angles_;
    std::vector<Rotation> rotations_;
    std::vector<Kind> kinds_;
    std::vector<Term> terms_;
    std::vector<Link> links_;
    std::vector<Word> words_;
    std::vector<Exchange> exchanges_;
    std::vector<Register> registers_;
    std::vector<int32_t> link_start_, birth_;
    mutable std::once_flag tabled_once_;
    mutable Program tabled_{};
    mutable std::vector<int32_t> perms_;
    mutable std::vector<int64_t> perm_at_;
};

}  // namespace qinn
