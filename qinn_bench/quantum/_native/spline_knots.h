// Knots of splines on [-1, 1] from unconstrained numbers, a value's in each lane; included once per instruction set.
#pragma once
#include <algorithm>

#include "elementary.h"
#include "program.h"

namespace qinn {
namespace QINN_ISA {

// Numbers to shares of [-1, 1] by a softmax, left in their place, and to the knots between them.
template <class T>
static void place(const Spline& spline, Vec<T>* numbers, Vec<T>* knots) {
    using V = Vec<T>;
    const int bins = spline.bins;
    V most = numbers[0], total = {};
    for (int k = 1; k < bins; ++k) most = larger(numbers[k], most);
    for (int k = 0; k < bins; ++k) total += numbers[k] = exponential<T>(numbers[k] - most);
    const V each = 1 / total;
    const T least = static_cast<T>(spline.narrowest / bins), rest = static_cast<T>(1 - spline.narrowest);
    V sum = {};
    knots[0] = splat<T>(-1), knots[bins] = splat<T>(1);
    for (int k = 0; k < bins; ++k) {
        numbers[k] *= each;
        sum += rest * numbers[k] + least;
        if (k + 1 < bins) knots[k + 1] = 2 * sum - 1;
    }
}

// The gradient by the numbers of a softmax from that by its shares, in the place of the latter.
template <class T>
static void through_softmax(int bins, const Vec<T>* shares, Vec<T>* by) {
    Vec<T> mean = {};
    for (int k = 0; k < bins; ++k) mean += shares[k] * by[k];
    for (int k = 0; k < bins; ++k) by[k] = shares[k] * (by[k] - mean);
}

}  // namespace QINN_ISA
}  // namespace qinn
