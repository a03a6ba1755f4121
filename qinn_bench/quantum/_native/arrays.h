// NumPy arrays that a call reads and writes, and the kernel that works on them.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <vector>

#include "program.h"

namespace nb = nanobind;

namespace qinn {
namespace {

template <class T>
using Array = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu>;

std::vector<const InstructionSet*> supported() {
    std::vector<const InstructionSet*> sets;
#ifdef QINN_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        sets.push_back(&avx512_set);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back(&avx2_set);
#endif
    sets.push_back(&portable_set);
    return sets;
}

template <class T>
const Kernel<T>& kernel_of(const InstructionSet& set);
template <>
const Kernel<float>& kernel_of<float>(const InstructionSet& set) {
    return set.single_;
}
template <>
const Kernel<double>& kernel_of<double>(const InstructionSet& set) {
    return set.double_;
}

// The instruction set of this name, or the best one.
const InstructionSet* set_named(const std::string& name) {
    for (const InstructionSet* set : supported())
        if (name.empty() || name == set->name) return set;
    throw nb::value_error("this processor or build has no such instruction set");
}

void check(size_t given, size_t wanted, const char* what) {
    if (given != wanted) throw nb::value_error((std::string(what) + " has the wrong size").c_str());
}

}  // namespace
}  // namespace qinn
