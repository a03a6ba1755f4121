// The arrays of a circuit as they come from Python, row by row.
#pragma once
#include <cstdint>
#include <vector>

#include "program.h"

namespace qinn {

struct Tables {
    int n_bits, n_inputs, n_weights;
    std::vector<int32_t> angle_parts;   // (n_angles, 3): weight, input, scale
    std::vector<double> angle_numbers;  // (n_angles, 2): constant, factor
    std::vector<int32_t> rotations;     // (n_rotations, 2): axis, angle
    std::vector<int32_t> run_start;     // (n_layers * n_bits + 1)
    std::vector<int32_t> terms;         // (n_terms, 2): mask, angle
    std::vector<int32_t> term_start;    // (n_layers + 1)
    std::vector<int32_t> exchanges;       // (n_exchanges, 4): kind, bits
    std::vector<int32_t> exchange_start;  // (n_layers + 1)
    int n_outputs;
    std::vector<int32_t> words;         // (n_words, 4): flip, sign, turns, output
    std::vector<double> coefficients;   // (n_words)
    std::vector<int32_t> registers;     // (n_registers, 3): zero, first output, number of bits
    std::vector<int32_t> register_bits;
    double phase_re, phase_im;
};

}  // namespace qinn
