// Refuses tables that are no circuit: every index in range, sizes consistent, numbers finite. What follows trusts them.
#pragma once
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tables.h"

namespace qinn {

class Checked {
  public:
    explicit Checked(const Tables& tables) : t_(tables) {
        within(t_.n_bits, 1, 30, "n_bits");
        within(t_.n_inputs, 0, most, "n_inputs");
        within(t_.n_weights, 0, most, "n_weights");
        within(t_.n_outputs, 0, static_cast<int64_t>(1) << 30, "n_outputs");
        require(!t_.term_start.empty(), "term_start is empty");
        angles();
        const size_t layers = t_.term_start.size() - 1;
        require(layers > 0, "a circuit has at least one layer");
        starts(t_.run_start, layers * t_.n_bits, rows(t_.rotations, 2, "rotations"), "run_start");
        starts(t_.term_start, layers, rows(t_.terms, 2, "terms"), "term_start");
        starts(t_.exchange_start, layers, rows(t_.exchanges, 4, "exchanges"), "exchange_start");
        rotations();
        for (size_t k = 0; k < t_.terms.size(); k += 2) {
            mask(t_.terms[k], "the mask of a term");
            within(t_.terms[k + 1], 0, n_angles() - 1, "the angle of a term");
        }
        for (size_t k = 0; k < t_.exchanges.size(); k += 4) exchange(t_.exchanges.data() + k);
        words();
        registers();
        finite(t_.phase_re, "phase_re"), finite(t_.phase_im, "phase_im");
        require(std::abs(std::hypot(t_.phase_re, t_.phase_im) - 1) < 1e-6, "the global phase is not of modulus 1");
    }

  private:
    // Beyond any circuit, and small enough that no table of the kernel's own fills a memory.
    static constexpr int64_t most = 1 << 24;

    int64_t n_angles() const { return static_cast<int64_t>(t_.angle_numbers.size() / 2); }

    static void require(bool holds, const char* what, const char* fault = "") {
        if (!holds) throw std::invalid_argument(std::string("the tables are no circuit: ") + what + fault);
    }

    static void within(int64_t value, int64_t first, int64_t last, const char* what) {
        if (value < first || value > last)
            throw std::invalid_argument(std::string("the tables are no circuit: ") + what + " is " +
                                        std::to_string(value) + ", not between " + std::to_string(first) + " and " +
                                        std::to_string(last));
    }

    static void finite(double value, const char* what) { require(std::isfinite(value), what, " is not finite"); }

    void mask(int32_t value, const char* what) const {
        within(value, 0, (static_cast<int64_t>(1) << t_.n_bits) - 1, what);
    }

    static size_t rows(const std::vector<int32_t>& table, size_t width, const char* what) {
        require(table.size() % width == 0, what, " has a row that is not whole");
        return table.size() / width;
    }

    static void starts(const std::vector<int32_t>& start, size_t parts, size_t total, const char* what) {
        require(start.size() == parts + 1, what, " has the wrong size");
        require(start.front() == 0, what, " does not begin at 0");
        require(start.back() == static_cast<int64_t>(total), what, " does not end where its table does");
        for (size_t k = 0; k < parts; ++k) require(start[k] <= start[k + 1], what, " decreases");
    }

    void angles() const {
        require(t_.angle_numbers.size() % 2 == 0 && t_.angle_parts.size() == 3 * t_.angle_numbers.size() / 2,
                "angle_parts and angle_numbers do not fit each other");
        for (double number : t_.angle_numbers) finite(number, "a number of an angle");
        for (size_t k = 0; k < t_.angle_parts.size(); k += 3) {
            within(t_.angle_parts[k], -1, t_.n_weights - 1, "the weight of an angle");
            within(t_.angle_parts[k + 1], -1, t_.n_inputs - 1, "the input of an angle");
            within(t_.angle_parts[k + 2], -1, t_.n_weights - 1, "the scale of an angle");
        }
    }

    void rotations() const {
        for (size_t k = 0; k < t_.rotations.size(); k += 2) {
            within(t_.rotations[k], AXIS_X, AXIS_H, "the axis of a rotation");
            within(t_.rotations[k + 1], 0, n_angles() - 1, "the angle of a rotation");
            const int32_t* part = t_.angle_parts.data() + 3 * static_cast<size_t>(t_.rotations[k + 1]);
            require(t_.rotations[k] != AXIS_H || (part[0] < 0 && part[1] < 0), "a Hadamard turns by a fixed angle");
        }
    }

    void exchange(const int32_t* row) const {
        within(row[0], CNOT, CSWAP, "the kind of an exchange");
        const bool three = row[0] == TOFFOLI || row[0] == CSWAP;
        for (int k = 1; k <= (three ? 3 : 2); ++k) within(row[k], 0, t_.n_bits - 1, "a bit of an exchange");
        require(three || row[3] == -1, "an exchange of two bits has a third");
        require(row[1] != row[2] && row[2] != row[3] && row[1] != row[3], "an exchange has a bit twice");
    }

    void words() const {
        require(rows(t_.words, 4, "words") == t_.coefficients.size(), "words and coefficients do not fit each other");
        for (double coefficient : t_.coefficients) finite(coefficient, "a coefficient");
        for (size_t k = 0; k < t_.words.size(); k += 4) {
            mask(t_.words[k], "what a word flips"), mask(t_.words[k + 1], "what gives a word its sign");
            const int turns = __builtin_popcount(static_cast<uint32_t>(t_.words[k] & t_.words[k + 1])) % 4;
            require(t_.words[k + 2] == turns, "a word has not the factors i of its letters Y");
            within(t_.words[k + 3], 0, t_.n_outputs - 1, "the output of a word");
        }
    }

    void registers() const {
        size_t first_bit = 0;
        rows(t_.registers, 3, "registers");
        for (size_t k = 0; k < t_.registers.size(); k += 3) {
            const int32_t first = t_.registers[k + 1], count = t_.registers[k + 2];
            mask(t_.registers[k], "the zeros of a register");
            within(count, 0, t_.n_bits, "the size of a register");
            within(first, 0, t_.n_outputs - (static_cast<int64_t>(1) << count), "the first output of a register");
            require(first_bit + count <= t_.register_bits.size(), "register_bits is too short");
            uint32_t seen = 0;
            for (int bit = 0; bit < count; ++bit) {
                const int32_t at = t_.register_bits[first_bit + bit];
                within(at, 0, t_.n_bits - 1, "a bit of a register");
                require((seen >> at & 1) == 0, "a register has a bit twice");
                seen |= static_cast<uint32_t>(1) << at;
            }
            first_bit += count;
        }
        require(first_bit == t_.register_bits.size(), "register_bits is too long");
    }

    const Tables& t_;
};

}  // namespace qinn
