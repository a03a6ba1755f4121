// Splines as Python calls them: arrays are checked, then handed to the kernel.
#pragma once
#include "arrays.h"

namespace qinn {
namespace {

class CompiledSpline {
  public:
    CompiledSpline(int bins, double bound, double narrowest, double least_slope, double unit_slope, bool cubic,
                   const std::string& instruction_set)
        : spline_{bins, bound, narrowest, least_slope, unit_slope, cubic},
          width_(cubic ? 2 * bins + 2 : 3 * bins - 1),
          set_(set_named(instruction_set)) {
        if (bins < 1 || bins > Spline::most_bins) throw nb::value_error("bins is out of range");
    }

    template <class T>
    void forward(Array<const T> x, Array<const T> numbers, Array<T> image, Array<T> log_slope, int64_t dim,
                 int64_t start, int64_t step) const {
        const Columns columns = columns_of(dim, start, step);
        const int64_t rows = rows_of(x, numbers, columns);
        check(image.size(), x.size(), "image"), check(log_slope.size(), rows * columns.count, "log_slope");
        nb::gil_scoped_release unlocked;
        kernel_of<T>(*set_).spline_forward(spline_, columns, rows, x.data(), numbers.data(), image.data(),
                                           log_slope.data());
    }

    template <class T>
    void inverse(Array<const T> image, Array<const T> numbers, Array<T> x, int64_t dim, int64_t start,
                 int64_t step) const {
        const Columns columns = columns_of(dim, start, step);
        const int64_t rows = rows_of(image, numbers, columns);
        check(x.size(), image.size(), "x");
        nb::gil_scoped_release unlocked;
        kernel_of<T>(*set_).spline_inverse(spline_, columns, rows, image.data(), numbers.data(), x.data());
    }

    template <class T>
    void gradient(Array<const T> x, Array<const T> numbers, Array<const T> by_image, Array<const T> by_log_slope,
                  Array<T> by_x, Array<T> by_numbers, int64_t dim, int64_t start, int64_t step) const {
        const Columns columns = columns_of(dim, start, step);
        const int64_t rows = rows_of(x, numbers, columns);
        check(by_image.size(), x.size(), "by_image"), check(by_log_slope.size(), rows, "by_log_slope");
        check(by_x.size(), x.size(), "by_x"), check(by_numbers.size(), numbers.size(), "by_numbers");
        nb::gil_scoped_release unlocked;
        kernel_of<T>(*set_).spline_gradient(spline_, columns, rows, x.data(), numbers.data(), by_image.data(),
                                            by_log_slope.data(), by_x.data(), by_numbers.data());
    }

  private:
    static Columns columns_of(int64_t dim, int64_t start, int64_t step) {
        if (step < 1 || start < 0 || start >= dim) throw nb::value_error("there are no such columns");
        return {dim, start, step, (dim - start + step - 1) / step};
    }

    template <class T>
    int64_t rows_of(const Array<const T>& x, const Array<const T>& numbers, const Columns& columns) const {
        const int64_t rows = static_cast<int64_t>(x.size()) / columns.dim;
        check(x.size(), rows * columns.dim, "x"), check(numbers.size(), rows * columns.count * width_, "numbers");
        return rows;
    }

    Spline spline_;
    int64_t width_;
    const InstructionSet* set_;
};

template <class T>
void define_spline_calls(nb::class_<CompiledSpline>& spline) {
    auto exact = [](const char* name) { return nb::arg(name).noconvert(); };
    const auto dim = nb::arg("dim") = 1, start = nb::arg("start") = 0, step = nb::arg("step") = 1;
    spline
        .def("forward", &CompiledSpline::forward<T>, exact("x"), exact("numbers"), exact("image"), exact("log_slope"),
             dim, start, step)
        .def("inverse", &CompiledSpline::inverse<T>, exact("image"), exact("numbers"), exact("x"), dim, start, step)
        .def("gradient", &CompiledSpline::gradient<T>, exact("x"), exact("numbers"), exact("by_image"),
             exact("by_log_slope"), exact("by_x"), exact("by_numbers"), dim, start, step);
}

}  // namespace
}  // namespace qinn
