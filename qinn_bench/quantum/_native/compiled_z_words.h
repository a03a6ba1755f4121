// Words of Z as Python calls them: what each word's phase is added up from is found once, then used forth and back.
#pragma once
#include <cstring>

#include "arrays.h"
#include "threads.h"
#include "z_words.h"

namespace qinn {
namespace {

const ZInstructionSet& z_set_named(const std::string& name) {
    const std::string found = set_named(name)->name;
#ifdef QINN_X86
    if (found == avx512_z_set.name) return avx512_z_set;
    if (found == avx2_z_set.name) return avx2_z_set;
#endif
    return portable_z_set;
}

template <class T>
const ZKernel<T>& z_kernel_of(const ZInstructionSet& set);
template <>
const ZKernel<float>& z_kernel_of<float>(const ZInstructionSet& set) {
    return set.single_;
}
template <>
const ZKernel<double>& z_kernel_of<double>(const ZInstructionSet& set) {
    return set.double_;
}

class CompiledZGates {
  public:
    CompiledZGates(int n_wires, Array<const int32_t> starts, Array<const int32_t> wires, const std::string& name)
        : set_(&z_set_named(name)),
          starts_(starts.data(), starts.data() + starts.size()),
          wires_(wires.data(), wires.data() + wires.size()),
          on_wire_(n_wires) {
        if (starts_.empty() || starts_[0] != 0) throw nb::value_error("gate_start has to begin with 0");
        check(wires_.size(), starts_.back(), "gate_wires");
        gates_ = {n_wires, static_cast<int32_t>(starts_.size()) - 1, starts_.data(), wires_.data()};
        for (int32_t g = 0; g < gates_.n_gates; ++g) {
            if (starts_[g + 1] < starts_[g] || starts_[g + 1] > starts_[g] + 127)
                throw nb::value_error("gates are expected in order, on 127 wires at most");
            for (int32_t at = starts_[g]; at < starts_[g + 1]; ++at) {
                if (wires_[at] < 0 || wires_[at] >= n_wires) throw nb::value_error("a gate is on a wire that is not there");
                on_wire_[wires_[at]].push_back(g);
            }
        }
    }
    CompiledZGates(const CompiledZGates&) = delete;

    const ZGates& gates() const { return gates_; }
    const ZInstructionSet& set() const { return *set_; }
    const std::vector<int32_t>& on_wire(int32_t wire) const { return on_wire_[wire]; }

  private:
    const ZInstructionSet* set_;
    std::vector<int32_t> starts_, wires_;
    std::vector<std::vector<int32_t>> on_wire_;
    ZGates gates_;
};

// Bit i of words[a] says that word a has a Z on wire i, 64 wires in a number.
class CompiledZWords {
  public:
    CompiledZWords(const CompiledZGates& gates, Array<const int64_t> words) : gates_(gates) {
        check(words.ndim(), 2, "the shape of words");
        const int64_t parts = (gates.gates().n_wires + 63) / 64;
        check(words.shape(1), parts, "words");
        const int64_t n = words.shape(0);
        const int64_t* bits = words.data();
        nb::gil_scoped_release unlocked;
        std::vector<int8_t> shared(gates.gates().n_gates);
        std::vector<int32_t> touched, wires;
        for (int64_t a = 0; a < n; ++a) {
            wires.clear();
            for (int32_t w = 0; w < gates.gates().n_wires; ++w)
                if (bits[a * parts + w / 64] >> (w % 64) & 1) wires.push_back(w);
            add(wires, shared, touched);
        }
        words_ = {n, sum_start_.data(), sums_.data(), single_start_.data(), singles_.data(), times_.data()};
    }
    CompiledZWords(const CompiledZWords&) = delete;

    template <class T>
    void phases(Array<const T> angles, Array<const int64_t> samples, Array<T> phases) const {
        ZCall<T> call = prepared<T>(samples, phases.ndim() == 2 ? phases.shape(1) : 0, phases.size());
        check(angles.size(), gates_.gates().n_gates, "angles");
        call.angles = angles.data(), call.phases = phases.data();
        nb::gil_scoped_release unlocked;
        const ZKernel<T>& kernel = z_kernel_of<T>(gates_.set());
        kernel.phases(call, allocate(kernel.workspace(gates_.gates(), false)).get());
    }

    template <class T>
    void gradient(Array<const int64_t> samples, Array<const T> by_phases, Array<T> by_angles) const {
        ZCall<T> call = prepared<T>(samples, by_phases.ndim() == 2 ? by_phases.shape(1) : 0, by_phases.size());
        check(by_angles.size(), gates_.gates().n_gates, "by_angles");
        call.by_phases = by_phases.data(), call.by_angles = by_angles.data();
        nb::gil_scoped_release unlocked;
        const ZKernel<T>& kernel = z_kernel_of<T>(gates_.set());
        kernel.gradient(call, allocate(kernel.workspace(gates_.gates(), true)).get());
    }

  private:
    // Either all gates with an odd overlap, or the sums of all gates on the wires of the word, less what these count
    // too often: c for an overlap of c, which is to be c mod 2. The shorter list is kept.
    void add(const std::vector<int32_t>& wires, std::vector<int8_t>& shared, std::vector<int32_t>& touched) {
        touched.clear();
        size_t odd = 0, twice = 0;
        for (int32_t wire : wires)
            for (int32_t g : gates_.on_wire(wire))
                if (shared[g]++ == 0) touched.push_back(g);
        for (int32_t g : touched) odd += shared[g] & 1, twice += shared[g] > 1;
        const bool whole = wires.size() + twice < odd;
        if (whole) sums_.insert(sums_.end(), wires.begin(), wires.end());
        for (int32_t g : touched) {
            const int8_t times = whole ? static_cast<int8_t>(-(shared[g] & ~1)) : static_cast<int8_t>(shared[g] & 1);
            if (times) singles_.push_back(g), times_.push_back(times);
            shared[g] = 0;
        }
        sum_start_.push_back(static_cast<int64_t>(sums_.size()));
        single_start_.push_back(static_cast<int64_t>(singles_.size()));
    }

    template <class T>
    ZCall<T> prepared(const Array<const int64_t>& samples, int64_t n_samples, size_t size) const {
        check(size, words_.n_words * n_samples, "phases");
        check(samples.ndim(), 2, "the shape of samples");
        check(samples.shape(0), gates_.gates().n_wires, "samples");
        check(samples.shape(1), (n_samples + 63) / 64, "samples");
        ZCall<T> call{};
        call.gates = &gates_.gates(), call.words = &words_, call.n_samples = n_samples;
        call.samples = reinterpret_cast<const uint64_t*>(samples.data());
        return call;
    }

    const CompiledZGates& gates_;
    std::vector<int64_t> sum_start_{0}, single_start_{0};
    std::vector<int32_t> sums_, singles_;
    std::vector<int8_t> times_;
    ZWords words_;
};

template <class T>
void define_z_calls(nb::class_<CompiledZWords>& words) {
    auto exact = [](const char* name) { return nb::arg(name).noconvert(); };
    words.def("phases", &CompiledZWords::phases<T>, exact("angles"), exact("samples"), exact("phases"))
        .def("gradient", &CompiledZWords::gradient<T>, exact("samples"), exact("by_phases"), exact("by_angles"));
}

void define_z_words(nb::module_& m) {
    nb::class_<CompiledZGates>(m, "ZGates")
        .def(nb::init<int, Array<const int32_t>, Array<const int32_t>, const std::string&>(), nb::arg("n_wires"),
             nb::arg("gate_start"), nb::arg("gate_wires"), nb::arg("instruction_set"));
    nb::class_<CompiledZWords> words(m, "ZWords");
    words.def(nb::init<const CompiledZGates&, Array<const int64_t>>(), nb::arg("gates"), nb::arg("words"),
              nb::keep_alive<1, 2>());
    define_z_calls<float>(words);
    define_z_calls<double>(words);
}

}  // namespace
}  // namespace qinn
