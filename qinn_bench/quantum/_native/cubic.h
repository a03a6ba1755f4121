// Steffen's monotone cubic splines (Astron. Astrophys. 239 (1990) 443), their inverses and gradients, a value a lane.
#pragma once
#include "spline_knots.h"

namespace qinn {
namespace QINN_ISA {

// The spline on [-1, 1] of one value a lane, by its 2 bins + 2 numbers: widths, heights and both end slopes.
//
// In its bin it is y0 + h (a t + b t^2 + c t^3) with t = (x - x0) / w; beyond the ends it goes on straight.
template <class T>
class Cubic {
    using V = Vec<T>;
    using I = Bits<T>;

  public:
    explicit Cubic(const Spline& spline) : s_(spline), bins_(spline.bins) {}

    static int width(int bins) { return 2 * bins + 2; }

    static I inside(V, T) { return I{} - 1; }

    template <class Stored>
    void load(const Stored* numbers, int count) {
        for (int lane = 0; lane < Lanes<T>::width; ++lane) {
            const Stored* own = numbers + static_cast<int64_t>(std::min(lane, count - 1)) * width(bins_);
            for (int k = 0; k < bins_; ++k) widths_[k][lane] = own[k], heights_[k][lane] = own[bins_ + k];
            for (int k = 0; k < 2; ++k) steep_[k][lane] = own[2 * bins_ + k];
        }
        broken_ = steep_[0] * 0 + steep_[1] * 0;
        for (int k = 0; k < bins_; ++k) broken_ += widths_[k] * 0 + heights_[k] * 0;
        place<T>(s_, widths_, x_);
        place<T>(s_, heights_, y_);
        const T least = static_cast<T>(2 * s_.narrowest / bins_), rest = static_cast<T>(2 - 2 * s_.narrowest);
        for (int k = 0; k < bins_; ++k) {
            w_[k] = rest * widths_[k] + least, h_[k] = rest * heights_[k] + least;
            chord_[k] = h_[k] / w_[k];
        }
        for (int k = 0; k < 2; ++k) {
            const V at = steep_[k] + static_cast<T>(s_.unit_slope), small = exponential<T>(at > V{} ? -at : at);
            const V each = 1 / (1 + small), share = at > V{} ? each : small * each;
            const T flat = static_cast<T>(s_.least_slope), span = static_cast<T>(3 - 3 * s_.least_slope);
            steep_[k] = flat + span * share;
            by_steep_[k] = span * share * (at > V{} ? small * each : each);
        }
        d_[0] = steep_[0] * chord_[0], d_[bins_] = steep_[1] * chord_[bins_ - 1];
        for (int k = 1; k < bins_; ++k) {
            const V twice = 2 * (chord_[k] < chord_[k - 1] ? chord_[k] : chord_[k - 1]), even = mean(k);
            d_[k] = twice < even ? twice : even;
        }
    }

    // 0, or NaN where a number is not finite.
    V broken() const { return broken_; }

    void forward(V v, V& image, V& log_slope) {
        find(v, x_);
        const V t = (v - x0) / w, near = clamped(t), steep = steepness(t, near);
        image = y0 + h * (height(near) + (t - near) * steep);
        log_slope = logarithm<T>(steep * h / w);
    }

    // The value whose image is v, by Newton's method inside a bracket that halves wherever a step does not.
    V inverse(V v) {
        find(v, y_);
        const V up = (v - y0) / h, near = clamped(up);
        const V t = (up > V{}) & (up < splat<T>(1)) ? clamped(root_of(near)) : near;
        return x0 + w * (t + (up - near) / steepness(up, t));
    }

    // The gradient of `by_image * image + by_log * log_slope`: by the value, returned, and by the numbers.
    V gradient(V v, V by_image, V by_log, V* by_numbers) {
        find(v, x_);
        const V t = (v - x0) / w, near = clamped(t), off = t - near, r = w / h;
        const V steep = steepness(t, near), rise = height(near), by_rise = by_image * h;
        const V by_steep = by_rise * off + by_log / steep;
        const V bent = (t >= V{}) & (t <= splat<T>(1)) ? by_log / steep * (2 * b + 6 * c * near) : V{};
        const V by_t = by_rise * steep + bent;
        const V by_a = by_rise * near + by_steep, by_b = near * (by_rise * near + 2 * by_steep);
        const V by_c = near * near * (by_rise * near + 3 * by_steep);
        // a, b and c of the slopes at both ends in units of the chord.
        const V by_first = by_a - 2 * by_b + by_c, by_second = by_c - by_b;
        const V by_r = by_first * d0 + by_second * d1;
        const V by_h = by_image * (rise + off * steep) + (by_log - by_r * r) / h;
        const V by_w = by_r / h - (by_log + by_t * t) / w, by_x = by_t / w;
        V *by_widths = by_numbers, *by_heights = by_numbers + bins_;
        for (int k = 0; k < bins_; ++k) {
            const I beyond = k + 1 < bins_ ? v >= x_[k + 1] : I{}, here = holds(k, v);
            by_widths[k] = beyond ? -by_x : (here ? by_w : V{});
            by_heights[k] = beyond ? by_image : (here ? by_h : V{});
        }
        spread(v, by_first * r, by_second * r, by_widths, by_heights, by_numbers + 2 * bins_);
        const T rest = static_cast<T>(2 - 2 * s_.narrowest);
        for (int k = 0; k < 2 * bins_; ++k) by_numbers[k] *= rest;
        through_softmax<T>(bins_, widths_, by_widths);
        through_softmax<T>(bins_, heights_, by_heights);
        return by_x;
    }

  private:
    static constexpr int steps = 100;
    static constexpr double rounding = 2e-15;

    static V clamped(V t) {
        t = t < V{} ? V{} : t;
        return t > splat<T>(1) ? splat<T>(1) : t;
    }

    V height(V t) const { return t * (a + t * (b + t * c)); }
    V slope(V t) const { return a + t * (2 * b + t * 3 * c); }

    // The slope at `near`; beyond the ends the sums would lose digits, and the ones that are left differ from call to call.
    V steepness(V t, V near) const { return t < V{} ? a : (t > splat<T>(1) ? last : slope(near)); }

    // The slope at an inner knot of the parabola through it and its neighbours.
    V mean(int k) const { return (chord_[k - 1] * w_[k] + chord_[k] * w_[k - 1]) / (w_[k - 1] + w_[k]); }

    // The bin that holds v, of those between these knots; the first and the last take what lies outside.
    void find(V v, const V* knots) {
        x0 = x_[0], y0 = y_[0], w = w_[0], h = h_[0], d0 = d_[0], d1 = d_[1];
        for (int k = 1; k < bins_; ++k) {
            const I right = v >= knots[k];
            x0 = right ? x_[k] : x0, y0 = right ? y_[k] : y0;
            w = right ? w_[k] : w, h = right ? h_[k] : h;
            d0 = right ? d_[k] : d0, d1 = right ? d_[k + 1] : d1;
        }
        const V r = w / h;
        a = d0 * r, last = d1 * r, b = 3 - 2 * a - last, c = a + last - 2;
    }

    // The t in [0, 1] where the cubic is `up` (Press et al., Numerical Recipes, section 9.4).
    V root_of(V up) const {
        V low = {}, high = splat<T>(1), t = up, step = splat<T>(1);
        for (int n = 0; n < steps; ++n) {
            const V miss = height(t) - up;
            const I off = (miss > static_cast<T>(rounding)) | (miss < static_cast<T>(-rounding));
            bool open = false;
            for (int lane = 0; lane < Lanes<T>::width; ++lane) open |= off[lane] != 0;
            if (!open) break;
            low = miss < V{} ? t : low, high = miss > V{} ? t : high;
            const V newton = t - miss / slope(t), moved = larger(newton - t, t - newton);
            const I good = (newton > low) & (newton < high) & (moved <= step / 2);
            const V next = off ? (good ? newton : (low + high) / 2) : t;
            step = larger(next - t, t - next), t = next;
        }
        return t - (height(t) - up) / slope(t);
    }

    // Whether v lies in this bin, if it is one.
    I holds(int k, V v) const {
        if (k < 0 || k == bins_) return I{};
        const I reached = k ? v >= x_[k] : I{} - 1, beyond = k + 1 < bins_ ? v >= x_[k + 1] : I{};
        return reached & ~beyond;
    }

    // Gradients by the slopes at both ends of the bin of v to those by widths, heights and the two end slopes.
    void spread(V v, V by_d0, V by_d1, V* by_widths, V* by_heights, V* by_ends) const {
        for (int k = 0; k <= bins_; ++k) {
            const V by = holds(k, v) ? by_d0 : (holds(k - 1, v) ? by_d1 : V{});
            if (k == 0 || k == bins_) {
                const int end = k ? 1 : 0, bin = k ? bins_ - 1 : 0;
                by_ends[end] = by * chord_[bin] * by_steep_[end];
                by_chord(bin, by * steep_[end], by_widths, by_heights);
                continue;
            }
            const V total = w_[k - 1] + w_[k], even = mean(k);
            const I lower = chord_[k] < chord_[k - 1];
            const V twice = 2 * (lower ? chord_[k] : chord_[k - 1]);
            const I cut = twice < even;
            const V by_mean = cut ? V{} : by / total, by_twice = cut ? 2 * by : V{};
            by_widths[k - 1] += by_mean * (chord_[k] - even), by_widths[k] += by_mean * (chord_[k - 1] - even);
            by_chord(k - 1, by_mean * w_[k] + (lower ? V{} : by_twice), by_widths, by_heights);
            by_chord(k, by_mean * w_[k - 1] + (lower ? by_twice : V{}), by_widths, by_heights);
        }
    }

    void by_chord(int k, V by, V* by_widths, V* by_heights) const {
        by_heights[k] += by / w_[k], by_widths[k] -= by * chord_[k] / w_[k];
    }

    const Spline& s_;
    const int bins_;
    V widths_[Spline::most_bins], heights_[Spline::most_bins], broken_;
    V w_[Spline::most_bins], h_[Spline::most_bins], chord_[Spline::most_bins], steep_[2], by_steep_[2];
    V x_[Spline::most_bins + 1], y_[Spline::most_bins + 1], d_[Spline::most_bins + 1];
    V x0, y0, w, h, d0, d1, a, b, c, last;
};

}  // namespace QINN_ISA
}  // namespace qinn
