// Splines of columns of rows: images, values and gradients, as many values at once as there are lanes.
#pragma once
#include "cubic.h"
#include "rational_quadratic.h"

namespace qinn {
namespace QINN_ISA {

// Where the next values lie, and in which rows.
template <class T>
class Places {
  public:
    explicit Places(const Columns& columns) : c_(columns) {}

    void next(int count) {
        for (int lane = 0; lane < count; ++lane) {
            row[lane] = row_, at[lane] = row_ * c_.dim + c_.start + k_ * c_.step;
            if (++k_ == c_.count) k_ = 0, ++row_;
        }
    }

    Vec<T> some(const T* from, int count) const { return read(from, at, count); }
    Vec<T> of_rows(const T* from, int count) const { return read(from, row, count); }

    template <class Stored>
    static Vec<T> read(const Stored* from, const int64_t* places, int count) {
        Vec<T> values = {};
        for (int lane = 0; lane < count; ++lane) values[lane] = static_cast<T>(from[places[lane]]);
        return values;
    }

    template <class Stored>
    void put(Vec<T> values, Stored* to, int count) const {
        for (int lane = 0; lane < count; ++lane) to[at[lane]] = static_cast<Stored>(values[lane]);
    }

    int64_t at[Lanes<T>::width], row[Lanes<T>::width];

  private:
    const Columns& c_;
    int64_t row_ = 0, k_ = 0;
};

// Calls `work(first, count)` for every group of values that fills the lanes, after `places` went on to it.
template <class T, class Work>
static void for_groups(const Columns& columns, int64_t rows, Places<T>& places, const Work& work) {
    const int64_t size = rows * columns.count;
    for (int64_t first = 0; first < size; first += Lanes<T>::width) {
        const int count = static_cast<int>(std::min<int64_t>(Lanes<T>::width, size - first));
        places.next(count);
        work(first, count);
    }
}

// What lies in no mapped column goes through as it is.
template <class T>
static void pass(const Columns& columns, int64_t rows, const T* from, T* to) {
    if (columns.count < columns.dim) std::copy(from, from + rows * columns.dim, to);
}

template <class Curve, class T>
static void forward_by(const Spline& spline, const Columns& columns, int64_t rows, const T* x, const T* numbers,
                       T* image, T* log_slope) {
    const T bound = static_cast<T>(spline.bound);
    Curve one(spline);
    Places<T> places(columns);
    pass(columns, rows, x, image);
    for_groups<T>(columns, rows, places, [&](int64_t first, int count) {
        const Vec<T> given = places.some(x, count);
        const Bits<T> inside = Curve::inside(given, bound);
        Vec<T> y, slope;
        one.load(numbers + first * Curve::width(spline.bins), count);
        one.forward(inside ? given / bound : Vec<T>{}, y, slope);
        places.put(inside ? y * bound : given, image, count);
        slope = inside ? slope : Vec<T>{};
        for (int lane = 0; lane < count; ++lane) log_slope[first + lane] = slope[lane];
    });
}

// In double precision, whatever the images are stored in.
template <class Curve, class Stored>
static void inverse_by(const Spline& spline, const Columns& columns, int64_t rows, const Stored* image,
                       const Stored* numbers, Stored* x) {
    using T = double;
    Curve one(spline);
    Places<T> places(columns);
    pass(columns, rows, image, x);
    for_groups<T>(columns, rows, places, [&](int64_t first, int count) {
        const Vec<T> given = Places<T>::read(image, places.at, count);
        const Bits<T> inside = Curve::inside(given, spline.bound);
        one.load(numbers + first * Curve::width(spline.bins), count);
        const Vec<T> found = one.inverse(inside ? given / spline.bound : Vec<T>{});
        places.put((inside ? found * spline.bound : given) + one.broken(), x, count);
    });
}

template <class Curve, class T>
static void gradient_by(const Spline& spline, const Columns& columns, int64_t rows, const T* x, const T* numbers,
                        const T* by_image, const T* by_log_slope, T* by_x, T* by_numbers) {
    const T bound = static_cast<T>(spline.bound);
    const int width = Curve::width(spline.bins);
    Curve one(spline);
    Places<T> places(columns);
    Vec<T> found[3 * Spline::most_bins];
    pass(columns, rows, by_image, by_x);
    for_groups<T>(columns, rows, places, [&](int64_t first, int count) {
        const Vec<T> given = places.some(x, count), image = places.some(by_image, count);
        const Vec<T> log_slope = places.of_rows(by_log_slope, count);
        const Bits<T> inside = Curve::inside(given, bound);
        one.load(numbers + first * width, count);
        const Vec<T> back = one.gradient(inside ? given / bound : Vec<T>{}, inside ? image * bound : Vec<T>{},
                                         inside ? log_slope : Vec<T>{}, found);
        places.put(inside ? back / bound : image, by_x, count);
        for (int lane = 0; lane < count; ++lane)
            for (int k = 0; k < width; ++k)
                by_numbers[(first + lane) * width + k] = inside[lane] ? found[k][lane] : T{};
    });
}

template <class T>
static void spline_forward(const Spline& spline, const Columns& columns, int64_t rows, const T* x, const T* numbers,
                           T* image, T* log_slope) {
    const auto call = spline.cubic ? forward_by<Cubic<T>, T> : forward_by<RationalQuadratic<T>, T>;
    call(spline, columns, rows, x, numbers, image, log_slope);
}

template <class T>
static void spline_inverse(const Spline& spline, const Columns& columns, int64_t rows, const T* image,
                           const T* numbers, T* x) {
    const auto call = spline.cubic ? inverse_by<Cubic<double>, T> : inverse_by<RationalQuadratic<double>, T>;
    call(spline, columns, rows, image, numbers, x);
}

template <class T>
static void spline_gradient(const Spline& spline, const Columns& columns, int64_t rows, const T* x, const T* numbers,
                            const T* by_image, const T* by_log_slope, T* by_x, T* by_numbers) {
    const auto call = spline.cubic ? gradient_by<Cubic<T>, T> : gradient_by<RationalQuadratic<T>, T>;
    call(spline, columns, rows, x, numbers, by_image, by_log_slope, by_x, by_numbers);
}

}  // namespace QINN_ISA
}  // namespace qinn
