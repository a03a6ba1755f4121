// Splines as Python calls them: arrays are checked, then handed to the kernel.
#pragma once
#include "arrays.h"

namespace qinn {
namespace {

class CompiledSpline {
  public:
    CompiledSpline(int bins, double bound, double narrowest, double least_slope, double unit_slope,
                   const std::string& instruction_set)
        : spline_{bins, bound, narrowest, least_slope, unit_slope}, set_(set_named(instruction_set)) {
        if (bins < 1 || bins > Spline::most_bins) throw nb::value_error("bins is out of range");
    }

    template <class T>
    void forward(Array<const T> x, Array<const T> numbers, Array<T> image, Array<T> log_slope) const {
        fit(x, numbers), check(image.size(), x.size(), "image"), check(log_slope.size(), x.size(), "log_slope");
        nb::gil_scoped_release unlocked;
        kernel_of<T>(*set_).spline_forward(spline_, x.size(), x.data(), numbers.data(), image.data(), log_slope.data());
    }

    template <class T>
    void inverse(Array<const T> image, Array<const T> numbers, Array<T> x) const {
        fit(image, numbers), check(x.size(), image.size(), "x");
        nb::gil_scoped_release unlocked;
        kernel_of<T>(*set_).spline_inverse(spline_, x.size(), image.data(), numbers.data(), x.data());
    }

    template <class T>
    void gradient(Array<const T> x, Array<const T> numbers, Array<const T> by_image, Array<const T> by_log_slope,
                  Array<T> by_x, Array<T> by_numbers) const {
        fit(x, numbers), check(by_image.size(), x.size(), "by_image");
        check(by_log_slope.size(), x.size(), "by_log_slope");
        check(by_x.size(), x.size(), "by_x"), check(by_numbers.size(), numbers.size(), "by_numbers");
        nb::gil_scoped_release unlocked;
        kernel_of<T>(*set_).spline_gradient(spline_, x.size(), x.data(), numbers.data(), by_image.data(),
                                            by_log_slope.data(), by_x.data(), by_numbers.data());
    }

  private:
    template <class T>
    void fit(const Array<const T>& x, const Array<const T>& numbers) const {
        check(numbers.size(), x.size() * (3 * spline_.bins - 1), "numbers");
    }

    Spline spline_;
    const InstructionSet* set_;
};

template <class T>
void define_spline_calls(nb::class_<CompiledSpline>& spline) {
    auto exact = [](const char* name) { return nb::arg(name).noconvert(); };
    spline
        .def("forward", &CompiledSpline::forward<T>, exact("x"), exact("numbers"), exact("image"), exact("log_slope"))
        .def("inverse", &CompiledSpline::inverse<T>, exact("image"), exact("numbers"), exact("x"))
        .def("gradient", &CompiledSpline::gradient<T>, exact("x"), exact("numbers"), exact("by_image"),
             exact("by_log_slope"), exact("by_x"), exact("by_numbers"));
}

}  // namespace
}  // namespace qinn
