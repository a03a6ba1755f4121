// Runs of one-qubit rotations, lane by lane: the product as RZ RY RZ, its generators, and the gradient of each angle.
#pragma once
#include "lanes.h"
#include "program.h"

namespace qinn {
namespace QINN_ISA {

// A run as phase * diag(1, a) RY diag(1, g); RY by half-angle (c, s) is the shears p, s, p with p = -s / (1 + c).
template <class T>
struct Turn {
    Vec<T> c, p, s, ar, ai, gr, gi, ur, ui;
};

template <class T>
struct Axis3 {
    Vec<T> x, y, z;
};

template <class T>
QINN_INLINE Vec<T> dot(const Axis3<T>& a, const Axis3<T>& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

template <class T>
QINN_INLINE void add_cross(Axis3<T>& sum, const Axis3<T>& a, const Axis3<T>& b, Vec<T> factor) {
    sum.x += factor * (a.y * b.z - a.z * b.y);
    sum.y += factor * (a.z * b.x - a.x * b.z);
    sum.z += factor * (a.x * b.y - a.y * b.x);
}

// The unit quaternion q of U = q0 - i (q1 X + q2 Y + q3 Z) for rotations [first, last) in order of application.
template <class T>
static void multiply_run(const Rotation* run, int count, const Vec<T>* half, Vec<T> q[4]) {
    using V = Vec<T>;
    constexpr T r = static_cast<T>(0.70710678118654752440);
    q[0] = splat<T>(1);
    q[1] = q[2] = q[3] = V{};
    for (int k = 0; k < count; ++k) {
        V c = half[2 * run[k].angle], s = half[2 * run[k].angle + 1];
        V a = q[0], x = q[1], y = q[2], z = q[3];
        if (run[k].axis == AXIS_X) {
            q[0] = c * a - s * x, q[1] = c * x + s * a, q[2] = c * y - s * z, q[3] = c * z + s * y;
        } else if (run[k].axis == AXIS_Y) {
            q[0] = c * a - s * y, q[2] = c * y + s * a, q[1] = c * x + s * z, q[3] = c * z - s * x;
        } else if (run[k].axis == AXIS_Z) {
            q[0] = c * a - s * z, q[3] = c * z + s * a, q[1] = c * x - s * y, q[2] = c * y + s * x;
        } else {
            q[0] = -r * (x + z), q[1] = r * (a - y), q[2] = r * (x - z), q[3] = r * (a + y);
        }
    }
}

template <class T>
static void split_run(const Rotation* run, int count, const Vec<T>* half, Turn<T>& turn) {
    using V = Vec<T>;
    const V one = splat<T>(1), zero = {};
    V q[4];
    multiply_run<T>(run, count, half, q);
    V c = root(q[0] * q[0] + q[3] * q[3]), s = root(q[1] * q[1] + q[2] * q[2]);
    auto no_c = c < static_cast<T>(1e-18), no_s = s < static_cast<T>(1e-18);
    V by_c = one / (no_c ? one : c), by_s = one / (no_s ? one : s);
    V ur = no_c ? one : q[0] * by_c, ui = no_c ? zero : -q[3] * by_c;
    V vr = no_s ? one : q[2] * by_s, vi = no_s ? zero : -q[1] * by_s;
    turn.c = c, turn.s = s, turn.p = -s / (one + c);
    turn.ar = vr * ur + vi * ui, turn.ai = vi * ur - vr * ui;
    turn.gr = vr * ur - vi * ui, turn.gi = -(vi * ur + vr * ui);
    turn.ur = ur, turn.ui = ui;
}

// Whether the RY of any lane is close to a multiple of a half turn.
template <class T>
static bool near_multiple_of_pi(const Turn<T>& turn) {
    const T limit = static_cast<T>(sizeof(T) == 4 ? 0.01 : 1e-4);
    bool small = false;
    for (int i = 0; i < Lanes<T>::width; ++i) small |= turn.c[i] * turn.s[i] < limit;
    return small;
}

// axes[k]: the axis of rotation k as the rest of the run leaves it, seen before the last RZ (the middle frame).
template <class T>
static void find_axes(const Rotation* run, int count, const Vec<T>* half, const Turn<T>& turn, Axis3<T>* axes) {
    using V = Vec<T>;
    constexpr T r = static_cast<T>(0.70710678118654752440);
    const V zero = {}, one = splat<T>(1);
    Axis3<T> x = {turn.ar, -turn.ai, zero}, y = {turn.ai, turn.ar, zero}, z = {zero, zero, one};
    auto rotate = [](Axis3<T>& a, Axis3<T>& b, V c, V s) {
        Axis3<T> old = a;
        a = {c * a.x + s * b.x, c * a.y + s * b.y, c * a.z + s * b.z};
        b = {c * b.x - s * old.x, c * b.y - s * old.y, c * b.z - s * old.z};
    };
    for (int k = count - 1; k >= 0; --k) {
        V ch = half[2 * run[k].angle], sh = half[2 * run[k].angle + 1];
        V c = ch * ch - sh * sh, s = (ch + ch) * sh;
        if (run[k].axis == AXIS_X) {
            axes[k] = x;
            rotate(y, z, c, s);
        } else if (run[k].axis == AXIS_Y) {
            axes[k] = y;
            rotate(z, x, c, s);
        } else if (run[k].axis == AXIS_Z) {
            axes[k] = z;
            rotate(x, y, c, s);
        } else {
            axes[k] = {r * (x.x + z.x), r * (x.y + z.y), r * (x.z + z.z)};
            Axis3<T> old = x;
            x = z, z = old, y = {-y.x, -y.y, -y.z};
        }
    }
}

// Where the gradients of one block of lanes are gathered.
template <class T>
struct Gathered {
    const Vec<T>* inputs;
    Vec<T>* by_input;
    Vec<T>* by_weight;
    const T* slope;
};

// Hands d loss / d angle on to the weight, the scale and the input of the angle.
template <class T>
QINN_INLINE void hand_on(const Program& p, int angle, Vec<T> grad, const Gathered<T>& to) {
    const Angle& a = p.angles[angle];
    const T factor = static_cast<T>(a.factor);
    if (a.weight >= 0) to.by_weight[a.weight] += grad * factor;
    if (a.input < 0) return;
    to.by_input[a.input] += grad * to.slope[angle];
    if (a.scale >= 0) to.by_weight[a.scale] += grad * to.inputs[a.input] * factor;
}

// Gradients of all angles of a run from its generator gradient `g` and, per input, that of the tangent's generator.
template <class T, class Pulled>
static void spread_run(const Program& p, const Rotation* run, int count, const Axis3<T>* axes, Axis3<T> g,
                       const Gathered<T>& to, Pulled pulled_by_input) {
    for (int k = 0; k < count; ++k) {
        const Angle& a = p.angles[run[k].angle];
        hand_on<T>(p, run[k].angle, dot<T>(axes[k], g), to);
        if (a.input < 0) continue;
        const Axis3<T>* pulled = pulled_by_input(a.input);
        if (pulled == nullptr) continue;
        if (a.scale >= 0) to.by_weight[a.scale] += dot<T>(axes[k], *pulled) * static_cast<T>(a.factor);
        add_cross<T>(g, axes[k], *pulled, splat<T>(to.slope[run[k].angle]));
    }
}

}  // namespace QINN_ISA
}  // namespace qinn
