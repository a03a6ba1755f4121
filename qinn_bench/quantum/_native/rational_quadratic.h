// Monotone rational-quadratic splines (arXiv:1906.04032), their inverses and their gradients, a value in each lane.
#pragma once
#include "spline_knots.h"

namespace qinn {
namespace QINN_ISA {

// The spline on [-1, 1] of one value a lane; `widths`, `heights` and `slopes` are read off its 3 bins - 1 numbers.
template <class T>
class RationalQuadratic {
    using V = Vec<T>;
    using I = Bits<T>;

  public:
    explicit RationalQuadratic(const Spline& spline) : s_(spline), bins_(spline.bins) {
        // The slopes at both ends are no number of any value.
        V slope;
        d_[0] = d_[bins_] = softplus<T>(unit(), slope) + static_cast<T>(s_.least_slope);
    }

    static int width(int bins) { return 3 * bins - 1; }

    // Values outside are mapped to themselves.
    static I inside(V x, T bound) { return (x < bound) & (x > -bound); }

    // Loads the numbers of some values, `count` of them, the last of which fills the lanes that are left.
    template <class Stored>
    void load(const Stored* numbers, int count) {
        for (int lane = 0; lane < Lanes<T>::width; ++lane) {
            const Stored* own = numbers + static_cast<int64_t>(std::min(lane, count - 1)) * width(bins_);
            for (int k = 0; k < bins_; ++k) widths_[k][lane] = own[k], heights_[k][lane] = own[bins_ + k];
            for (int k = 1; k < bins_; ++k) d_[k][lane] = own[2 * bins_ + k - 1];
        }
        broken_ = V{};
        for (int k = 0; k < bins_; ++k) {
            broken_ += widths_[k] * 0 + heights_[k] * 0;
            if (k) broken_ += d_[k] * 0;
        }
        place<T>(s_, widths_, x_);
        place<T>(s_, heights_, y_);
        for (int k = 1; k < bins_; ++k)
            d_[k] = softplus<T>(d_[k] + unit(), by_number_[k]) + static_cast<T>(s_.least_slope);
    }

    // 0, or NaN where a number is not finite.
    V broken() const { return broken_; }

    // The image of values in (-1, 1), and the logarithm of the slope there.
    void forward(V v, V& image, V& log_slope) {
        find(v, x_);
        const V t = (v - x0) / w, u = t * (1 - t);
        const V a = s * t * t + d0 * u, b = s + bend * u;
        image = y0 + h * a / b;
        log_slope = logarithm<T>(s * s * sharpness(t, u)) - 2 * logarithm<T>(b);
    }

    // The value in (-1, 1) whose image is v.
    V inverse(V v) {
        find(v, y_);
        const V up = v - y0;
        const V a = up * bend + h * (s - d0), b = h * d0 - up * bend, c = -s * up;
        const V inside = larger(b * b - 4 * a * c, V{});
        return 2 * c / (-b - root(inside)) * w + x0;
    }

    // The gradient of `by_image * image + by_log * log_slope`: by the value, returned, and by the numbers.
    V gradient(V v, V by_image, V by_log, V* by_numbers) {
        find(v, x_);
        const V t = (v - x0) / w, u = t * (1 - t), r = 1 - t;
        const V a = s * t * t + d0 * u, b = s + bend * u, m = sharpness(t, u);
        const V by_a = by_image * h / b, by_b = -by_a * a / b - 2 * by_log / b, by_m = by_log / m;
        V by_u = by_m * 2 * s + by_b * bend + by_a * d0;
        const V by_t = by_m * 2 * (d1 * t - d0 * r) + by_a * 2 * s * t + by_u * (1 - 2 * t);
        const V by_s = by_log * 2 / s + by_m * 2 * u + by_b * (1 - 2 * u) + by_a * t * t;
        const V by_d0 = by_m * r * r + (by_b + by_a) * u, by_d1 = by_m * t * t + by_b * u;
        const V by_h = by_image * a / b + by_s / w, by_w = -(by_s * s + by_t * t) / w, by_x = by_t / w;
        spread(widths_, x_, v, -by_x - by_w, by_w, by_numbers);
        spread(heights_, x_, v, by_image - by_h, by_h, by_numbers + bins_);
        for (int k = 1; k < bins_; ++k) {
            const I right = v >= x_[k], beyond = k + 1 < bins_ ? v >= x_[k + 1] : I{}, left = v >= x_[k - 1];
            const V at = right & ~beyond ? by_d0 : (left & ~right ? by_d1 : V{});
            by_numbers[2 * bins_ + k - 1] = at * by_number_[k];
        }
        return by_x;
    }

  private:
    V unit() const { return splat<T>(static_cast<T>(s_.unit_slope)); }

    // The bin that holds v, of those between these knots.
    void find(V v, const V* knots) {
        x0 = x_[0], y0 = y_[0], d0 = d_[0], d1 = d_[1];
        V x1 = x_[1], y1 = y_[1];
        for (int k = 1; k < bins_; ++k) {
            const I right = v >= knots[k];
            x0 = right ? x_[k] : x0, x1 = right ? x_[k + 1] : x1;
            y0 = right ? y_[k] : y0, y1 = right ? y_[k + 1] : y1;
            d0 = right ? d_[k] : d0, d1 = right ? d_[k + 1] : d1;
        }
        w = x1 - x0, h = y1 - y0, s = h / w, bend = d0 + d1 - 2 * s;
    }

    V sharpness(V t, V u) const {
        const V r = 1 - t;
        return d1 * t * t + 2 * s * u + d0 * r * r;
    }

    // Gradients by the two knots of the bin of v, through the sums and the softmax, to the numbers of the shares.
    void spread(const V* shares, const V* knots, V v, V by_left, V by_right, V* by_numbers) const {
        const V twice = splat<T>(static_cast<T>(2 * (1 - s_.narrowest)));
        // The first and the last knot do not move.
        const I first = v < knots[std::min(1, bins_ - 1)], last = v >= knots[bins_ - 1];
        by_left = (bins_ == 1 ? I{} - 1 : first) ? V{} : by_left * twice;
        by_right = (bins_ == 1 ? I{} - 1 : last) ? V{} : by_right * twice;
        for (int k = 0; k < bins_; ++k) {
            const I before = k + 1 < bins_ ? v >= knots[k + 1] : I{}, here = v >= knots[k];
            by_numbers[k] = (before ? by_left : V{}) + (here ? by_right : V{});
        }
        through_softmax<T>(bins_, shares, by_numbers);
    }

    const Spline& s_;
    const int bins_;
    V widths_[Spline::most_bins], heights_[Spline::most_bins], broken_;
    V x_[Spline::most_bins + 1], y_[Spline::most_bins + 1], d_[Spline::most_bins + 1];
    V by_number_[Spline::most_bins + 1];
    V x0, y0, d0, d1, w, h, s, bend;
};

}  // namespace QINN_ISA
}  // namespace qinn
