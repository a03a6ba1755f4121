// The Python module: hands NumPy arrays to the kernel of the best instruction set, in threads where asked.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arithmetic.h"
#include "arrays.h"
#include "circuit.h"
#include "compiled_spline.h"
#include "compiled_z_words.h"
#include "threads.h"

namespace qinn {
namespace {

// What all rows of a call share: angles without inputs and their phases.
template <class T>
struct Shared {
    std::vector<T> base, slope, half, tables;
    std::vector<int64_t> table_at;

    Shared(const Circuit& circuit, const T* weights, bool with_tables) {
        const Program& p = circuit.program();
        std::vector<double> exact(p.n_angles);
        for (int k = 0; k < p.n_angles; ++k) {
            const Angle& a = p.angles[k];
            exact[k] = a.factor * (a.constant + (a.weight < 0 ? 0.0 : static_cast<double>(weights[a.weight])));
            base.push_back(static_cast<T>(exact[k]));
            slope.push_back(static_cast<T>(a.factor * (a.scale < 0 ? 1.0 : static_cast<double>(weights[a.scale]))));
            half.push_back(a.input < 0 ? static_cast<T>(std::cos(0.5 * exact[k])) : T{});
            half.push_back(a.input < 0 ? static_cast<T>(std::sin(0.5 * exact[k])) : T{});
        }
        if (with_tables) circuit.phase_tables<T>(exact, tables, table_at);
    }

    void fill(Call<T>& call) const {
        call.base = base.data(), call.slope = slope.data(), call.half = half.data();
        call.tables = tables.data(), call.table_at = table_at.data();
    }
};

class Simulator {
  public:
    Simulator(Tables tables, const std::string& name) : circuit_(std::move(tables)), set_(set_named(name)) {}

    std::string name() const { return set_->name; }

    template <class T>
    int lanes() const {
        return kernel_of<T>(*set_).lanes;
    }

    // Numbers that `saved` must hold for a call.
    template <class T>
    int64_t saved_size(int64_t batch, int n_states, bool wide) const {
        const int64_t lanes = wide ? 1 : kernel_of<T>(*set_).lanes;
        return (batch + lanes - 1) / lanes * lanes * n_states * (static_cast<int64_t>(2) << circuit_.program().n_bits);
    }

    template <class T>
    double forward(Array<const T> inputs, Array<const T> weights, Array<T> values, Array<T> jacobian, Array<T> saved,
                   bool state, bool wide, int threads) const {
        Call<T> call = prepare<T>(inputs, weights, jacobian.size() > 0, state, wide);
        call.values = values.data();
        call.jacobian = jacobian.size() > 0 ? jacobian.data() : nullptr;
        call.saved = saved.size() > 0 ? saved.data() : nullptr;
        check(values.size(), call.batch * width_of(call), "values");
        if (call.n_states > 1) check(jacobian.size(), call.batch * width_of(call) * inputs.shape(1), "jacobian");
        if (call.saved) check_saved(saved.data(), saved.size(), saved_size<T>(call.batch, call.n_states, wide));
        nb::gil_scoped_release unlocked;
        const Shared<T> shared(circuit_, weights.data(), !wide);
        shared.fill(call);
        threads = worth(call, false, threads);
        const Kernel<T>& kernel = kernel_of<T>(*set_);
        if (wide) {
            std::vector<double> drifts(call.batch);
            in_rows(kernel, call, false, threads, [&](int64_t row, const Crew& crew, void* memory) {
                Call<T> mine = call;
                mine.drift = drifts.data() + row;
                kernel.wide_forward(mine, row, crew, memory);
            });
            return largest(drifts);
        }
        const size_t bytes = kernel.workspace(*call.program, call.n_states, false);
        const int64_t blocks = (call.batch + kernel.lanes - 1) / kernel.lanes, chunk = chunk_of(blocks);
        std::vector<double> drifts((blocks + chunk - 1) / chunk);
        in_threads(drifts.size(), threads, [&, call](int64_t c, int64_t) {
            Call<T> mine = call;
            mine.drift = drifts.data() + c;
            kernel.forward(mine, c * chunk, std::min(blocks, (c + 1) * chunk), workspace(bytes));
        });
        return largest(drifts);
    }

    template <class T>
    double reverse(Array<const T> inputs, Array<const T> weights, Array<const T> saved, Array<const T> grad_values,
                   Array<const T> grad_jacobian, Array<T> grad_inputs, Array<T> grad_weights, bool state,
                   bool wide, int threads) const {
        Call<T> call = prepare<T>(inputs, weights, grad_jacobian.size() > 0, state, wide);
        call.grad_values = grad_values.data(), call.grad_jacobian = grad_jacobian.data();
        call.saved = const_cast<T*>(saved.data()), call.grad_inputs = grad_inputs.data();
        check(grad_values.size(), call.batch * width_of(call), "grad_values");
        if (call.n_states > 1)
            check(grad_jacobian.size(), call.batch * width_of(call) * inputs.shape(1), "grad_jacobian");
        check_saved(saved.data(), saved.size(), saved_size<T>(call.batch, call.n_states, wide));
        check(grad_inputs.size(), inputs.size(), "grad_inputs");
        check(grad_weights.size(), weights.size(), "grad_weights");
        nb::gil_scoped_release unlocked;
        const Shared<T> shared(circuit_, weights.data(), !wide);
        shared.fill(call);
        threads = worth(call, true, threads);
        double drift = 0;
        const std::vector<double> parts = wide ? reverse_rows(call, threads, drift) : reverse_blocks(call, threads, drift);
        const size_t n = weights.size();
        for (size_t w = 0; w < n; ++w) {
            double sum = 0;
            for (size_t at = w; at < parts.size(); at += n) sum += parts[at];
            grad_weights.data()[w] = static_cast<T>(sum);
        }
        return drift;
    }

    double peak_flops(bool single) const { return single ? set_->single_.peak() : set_->double_.peak(); }

    // Floating-point operations of one row, in the path with a row in each lane.
    double flops(bool reverse, bool tangents, bool state) const {
        return Arithmetic(circuit_.program(), tangents, state).total(reverse);
    }

  private:
    template <class T>
    std::vector<double> reverse_rows(const Call<T>& call, int threads, double& drift) const {
        const size_t n = call.program->n_weights;
        const Kernel<T>& kernel = kernel_of<T>(*set_);
        std::vector<double> parts(call.batch * n), drifts(call.batch);
        in_rows(kernel, call, true, threads, [&](int64_t row, const Crew& crew, void* memory) {
            Call<T> mine = call;
            mine.grad_weights = parts.data() + row * n, mine.drift = drifts.data() + row;
            kernel.wide_reverse(mine, row, crew, memory);
        });
        drift = largest(drifts);
        return parts;
    }

    template <class T>
    std::vector<double> reverse_blocks(const Call<T>& call, int threads, double& drift) const {
        const Kernel<T>& kernel = kernel_of<T>(*set_);
        const size_t bytes = kernel.workspace(*call.program, call.n_states, true), n = call.program->n_weights;
        const int64_t blocks = (call.batch + kernel.lanes - 1) / kernel.lanes, chunk = chunk_of(blocks);
        const int64_t chunks = (blocks + chunk - 1) / chunk;
        std::vector<double> parts(chunks * n), drifts(chunks);
        in_threads(chunks, threads, [&](int64_t c, int64_t) {
            Call<T> mine = call;
            mine.grad_weights = parts.data() + c * n, mine.drift = drifts.data() + c;
            kernel.reverse(mine, c * chunk, std::min(blocks, (c + 1) * chunk), workspace(bytes));
        });
        drift = largest(drifts);
        return parts;
    }

    static double largest(const std::vector<double>& drifts) {
        return drifts.empty() ? 0 : *std::max_element(drifts.begin(), drifts.end());
    }

    // As many threads as have something to do: to start one takes as long as many operations.
    template <class T>
    static int worth(const Call<T>& call, bool reverse, int threads) {
        constexpr double each = 1e7;
        if (threads <= 1) return 1;
        const Arithmetic count(*call.program, call.n_states > 1, call.mode == STATE);
        return static_cast<int>(std::min<double>(threads, 1 + count.total(reverse) * call.batch / each));
    }

    // Weight gradients are summed chunk by chunk; the chunks depend on the batch only, never on the threads.
    static int64_t chunk_of(int64_t blocks) { return std::max<int64_t>(1, (blocks + 63) / 64); }

    static void check_saved(const void* at, size_t given, size_t wanted) {
        check(given, wanted, "saved");
        if (reinterpret_cast<uintptr_t>(at) % 64 != 0) throw nb::value_error("saved must lie at a multiple of 64 bytes");
    }

    template <class T>
    size_t width_of(const Call<T>& call) const {
        const Program& p = circuit_.program();
        return call.mode == STATE ? static_cast<size_t>(2) << p.n_bits : static_cast<size_t>(p.n_outputs);
    }

    template <class T>
    Call<T> prepare(const Array<const T>& inputs, const Array<const T>& weights, bool tangents, bool state,
                    bool wide) const {
        const Program& p = circuit_.program();
        check(inputs.ndim(), 2, "the shape of inputs");
        check(inputs.shape(1), p.n_inputs, "inputs");
        check(weights.size(), p.n_weights, "weights");
        Call<T> call{};
        if (wide && (tangents || p.n_bits < kernel_of<T>(*set_).wide_bits))
            throw nb::value_error("amplitudes can fill the lanes only of a state that fills them, without tangents");
        call.program = wide ? &p : &circuit_.with_tables();
        call.mode = state ? STATE : EXPECTATION;
        call.n_states = tangents ? 1 + p.n_inputs : 1;
        call.batch = static_cast<int64_t>(inputs.shape(0));
        call.inputs = inputs.data();
        return call;
    }

    Circuit circuit_;
    const InstructionSet* set_;
};

std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const InstructionSet* set : supported()) found.emplace_back(set->name);
    return found;
}

using Ints = std::vector<int32_t>;

// Without conversion: an output must be written where it is, in its own type.
template <class T>
void define_calls(nb::class_<Simulator>& simulator) {
    auto exact = [](const char* name) { return nb::arg(name).noconvert(); };
    simulator
        .def("forward", &Simulator::forward<T>, exact("inputs"), exact("weights"), exact("values"), exact("jacobian"),
             exact("saved"), nb::arg("state"), nb::arg("wide"), nb::arg("threads"))
        .def("reverse", &Simulator::reverse<T>, exact("inputs"), exact("weights"), exact("saved"),
             exact("grad_values"), exact("grad_jacobian"), exact("grad_inputs"), exact("grad_weights"),
             nb::arg("state"), nb::arg("wide"), nb::arg("threads"));
}

void define_splines(nb::module_& m) {
    nb::class_<CompiledSpline> spline(m, "Spline");
    spline.def(nb::init<int, double, double, double, double, bool, const std::string&>(), nb::arg("bins"),
               nb::arg("bound"), nb::arg("narrowest"), nb::arg("least_slope"), nb::arg("unit_slope"), nb::arg("cubic"),
               nb::arg("instruction_set"));
    define_spline_calls<float>(spline);
    define_spline_calls<double>(spline);
}

}  // namespace
}  // namespace qinn

NB_MODULE(_kernel, m) {
    using namespace qinn;
    // Compiled circuits are kept until the interpreter ends, which is no leak.
    nb::set_leak_warnings(false);
    m.attr("sources") = QINN_SOURCES;
    m.def("instruction_sets", &names, "Names of the instruction sets that this processor can run, best first.");
    nb::class_<Simulator> simulator(m, "Simulator");
    simulator
        .def(
            "__init__",
            [](Simulator* self, int n_bits, int n_inputs, int n_weights, Ints angle_parts,
               std::vector<double> angle_numbers, Ints rotations, Ints run_start, Ints terms, Ints term_start,
               Ints exchanges, Ints exchange_start, int n_outputs, Ints words, std::vector<double> coefficients,
               Ints registers, Ints register_bits, double phase_re, double phase_im,
               const std::string& instruction_set) {
                new (self) Simulator({n_bits, n_inputs, n_weights, std::move(angle_parts), std::move(angle_numbers),
                                      std::move(rotations), std::move(run_start), std::move(terms),
                                      std::move(term_start), std::move(exchanges), std::move(exchange_start),
                                      n_outputs, std::move(words), std::move(coefficients), std::move(registers),
                                      std::move(register_bits), phase_re, phase_im},
                                     instruction_set);
            },
            nb::arg("n_bits"), nb::arg("n_inputs"), nb::arg("n_weights"), nb::arg("angle_parts"),
            nb::arg("angle_numbers"), nb::arg("rotations"), nb::arg("run_start"), nb::arg("terms"),
            nb::arg("term_start"), nb::arg("exchanges"), nb::arg("exchange_start"), nb::arg("n_outputs"),
            nb::arg("words"), nb::arg("coefficients"), nb::arg("registers"), nb::arg("register_bits"),
            nb::arg("phase_re"), nb::arg("phase_im"), nb::arg("instruction_set"))
        .def_prop_ro("instruction_set", &Simulator::name)
        .def("peak_flops", &Simulator::peak_flops, nb::arg("single"))
        .def("flops", &Simulator::flops, nb::arg("reverse"), nb::arg("tangents"), nb::arg("state"))
        .def_prop_ro("lanes_single", &Simulator::lanes<float>)
        .def_prop_ro("lanes_double", &Simulator::lanes<double>)
        .def("saved_size_single", &Simulator::saved_size<float>)
        .def("saved_size_double", &Simulator::saved_size<double>);
    define_calls<float>(simulator);
    define_calls<double>(simulator);
    define_splines(m);
    define_z_words(m);
}
