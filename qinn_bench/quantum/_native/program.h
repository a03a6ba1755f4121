// What a compiled circuit is: plain tables that every instruction set's kernel reads, and the arguments of one call.
#pragma once
#include <cstddef>
#include <cstdint>

namespace qinn {

// factor * (constant + weights[weight] + s * inputs[input]) with s = weights[scale] or 1; -1 where a part is left out.
struct Angle {
    int32_t weight, input, scale;
    double constant, factor;
};

enum Axis : int32_t { AXIS_X, AXIS_Y, AXIS_Z, AXIS_H };

// exp(-i angle/2 axis.sigma); AXIS_H is the fixed half turn about (x + z)/sqrt(2).
struct Rotation {
    int32_t axis, angle;
};

// exp(-i angle/2 s(x)) with s(x) = -1 to the number of bits that x and mask share.
struct Term {
    uint32_t mask;
    int32_t angle;
};

enum ExchangeKind : int32_t { CNOT, SWAP, TOFFOLI, CSWAP };

// A permutation of the basis: `c` is -1 for CNOT (control a, target b) and SWAP; controls come first.
struct Exchange {
    int32_t kind, a, b, c;
};

// Where an exchange takes basis state x.
static inline uint32_t moved(const Exchange& e, uint32_t x) {
    const uint32_t first = x >> e.a, second = x >> e.b;
    switch (e.kind) {
        case CNOT: return x ^ (first & 1) << e.b;
        case SWAP: return x ^ ((first ^ second) & 1) << e.a ^ ((first ^ second) & 1) << e.b;
        case TOFFOLI: return x ^ (first & second & 1) << e.c;
        default: break;
    }
    const uint32_t differ = first & (second ^ x >> e.c) & 1;
    return x ^ differ << e.b ^ differ << e.c;
}

// A run of rotations on `bit` in which `input` appears; `bit` is the position in the basis index.
struct Link {
    int32_t bit, input;
};

// A Pauli word, O|x> = i^turns (-1)^|x & sign| |x ^ flip>, that enters an output with a coefficient.
struct Word {
    uint32_t flip, sign;
    int32_t turns, output;
    double coefficient;
};

// The outcomes of `count` bits while all bits of `zero` are 0: bits[k] is bit k of an outcome, whose probability is
// output first + outcome.
struct Register {
    uint32_t zero;
    int32_t first, count;
    const int32_t* bits;
};

// What a run of rotations on one bit amounts to.
enum Kind : int32_t { NONE, DIAGONAL, TURNING };

// A layer is: one run of rotations per bit, then a product of diagonal terms, then a permutation of the basis.
struct Program {
    int32_t n_bits, n_inputs, n_weights, n_outputs, n_words, n_registers, n_layers, n_angles;
    const Angle* angles;
    const Rotation* rotations;
    const int32_t* run_start;    // (n_layers * n_bits + 1), bit fastest
    const Kind* kinds;           // (n_layers * n_bits)
    const Term* terms;
    const int32_t* term_start;   // (n_layers + 1)
    const Link* links;
    const int32_t* link_start;   // (n_layers + 1)
    const int32_t* birth;        // (n_inputs): the first layer in which an input appears
    const Exchange* exchanges;   // one after the other
    const int32_t* exchange_start;  // (n_layers + 1)
    const int32_t* perms;        // index x goes to perms[at + x]; only where the tables were asked for
    const int64_t* perm_at;      // (n_layers): offset into perms, or -1
    const Word* words;           // those that flip no bit first
    const Register* registers;
    int32_t n_flat_words;        // words that flip no bit
    bool diagonal_words;         // all words are such
    bool single_words;           // every one of these is one Z
    int32_t max_rotations, max_links;  // per layer
    double phase_re, phase_im;   // global phase left out of the gates
};

enum Mode : int32_t { EXPECTATION, STATE };

// One call of the kernel on blocks [first, last) of lanes; `n_states` is 1, or 1 + n_inputs with tangent states.
template <class T>
struct Call {
    const Program* program;
    Mode mode;
    int32_t n_states;
    int64_t batch;
    const T* inputs;        // (batch, n_inputs)
    const T* base;          // (n_angles): the part of an angle that is the same for all rows
    const T* slope;         // (n_angles): d angle / d input
    const T* half;          // (n_angles, 2): cos and sin of half the angle, where no input enters
    const T* tables;        // phases of the diagonal terms without inputs, (2^n, 2) at table_at[layer]
    const int64_t* table_at;  // (n_layers), -1 without such terms
    T* values;              // (batch, n_outputs), or (batch, 2^n, 2)
    T* jacobian;            // (batch, n_outputs, n_inputs) or null
    T* saved;               // final states block by block, or null
    const T* grad_values;
    const T* grad_jacobian;
    T* grad_inputs;         // (batch, n_inputs)
    double* grad_weights;   // (n_weights): written, not added to
    double* drift;          // the largest of its rows: | |state|^2 - 1 | forwards, |state - start| backwards
};

// How the parts of one large state are shared among threads: call(work, thread, item) for every item.
struct Crew {
    int32_t threads;
    void (*share)(int32_t threads, int64_t items, void (*call)(const void*, int32_t, int64_t), const void* work);
};

// A monotone spline on [-bound, bound]; numbers of slopes are moved by `unit_slope`, so that 0 gives a slope of 1.
//
// A rational-quadratic one is the identity outside, a cubic one goes on straight.
struct Spline {
    static constexpr int most_bins = 32;
    int32_t bins;
    double bound, narrowest, least_slope, unit_slope;
    bool cubic;
};

// The columns of rows that are mapped: `count` of them, from `start` on in steps of `step`.
struct Columns {
    int64_t dim, start, step, count;
};

// What one instruction set offers for one floating-point type.
template <class T>
struct Kernel {
    int32_t lanes;
    size_t (*workspace)(const Program&, int32_t n_states, bool reverse);
    void (*forward)(const Call<T>&, int64_t first, int64_t last, void* workspace);
    void (*reverse)(const Call<T>&, int64_t first, int64_t last, void* workspace);
    // The same for one row whose amplitudes fill the lanes; `reverse` adds to the gradients of the weights.
    int32_t wide_bits;  // the fewest bits of such a state
    size_t (*wide_workspace)(const Call<T>&, bool reverse, int32_t threads);
    void (*wide_forward)(const Call<T>&, int64_t row, const Crew&, void* workspace);
    void (*wide_reverse)(const Call<T>&, int64_t row, const Crew&, void* workspace);
    // Rows, and the numbers of the spline of each mapped value; what comes first in a list of arguments is read.
    // `log_slope` is (rows, count), `by_log_slope` one a row.
    void (*spline_forward)(const Spline&, const Columns&, int64_t rows, const T* x, const T* numbers, T* image,
                           T* log_slope);
    void (*spline_inverse)(const Spline&, const Columns&, int64_t rows, const T* image, const T* numbers, T* x);
    void (*spline_gradient)(const Spline&, const Columns&, int64_t rows, const T* x, const T* numbers,
                            const T* by_image, const T* by_log_slope, T* by_x, T* by_numbers);
    double (*peak)();  // operations per second of independent fused multiply-adds; each counts as two
};

struct InstructionSet {
    const char* name;
    Kernel<float> single_;
    Kernel<double> double_;
};

extern const InstructionSet portable_set;
extern const InstructionSet avx2_set;
extern const InstructionSet avx512_set;

}  // namespace qinn
