// What is lost at each row of logits, and the way back. A row is a whole vocabulary wide: left to torch, ten operators read
// and write all rows in float32; here they are read as they come, twice there and once back.
//
// A row's sums run in the same order however many rows and threads there are. Sums are float32. Callers vouch for shapes,
// for contiguous tensors, and for targets within a row.

#include <cmath>
#include <tuple>

#include "blocks.h"

namespace {

// The logarithm of a row's sum of exponentials, in two parts: of large ones a float32 would lose the second.
struct Total {
  float highest, rest;
};

template <class T>
void surprise_of(const Tensor& logits, const Tensor& targets, Tensor& losses, Tensor& totals) {
  const int64_t rows = logits.size(0), size = logits.size(1);
  const T* xs = read<T>(logits);
  const int64_t* chosen = read<int64_t>(targets);
  float* lost = write<float>(losses);
  Total* found = write<Total>(totals);
  over(rows, 4 * size, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const T* x = xs + row * size;
      Lanes most = all(-INFINITY), sum = {};
      float highest = -INFINITY, tail = 0;
      along(
          size,
          [&](int64_t i) {
            const Lanes own = load(x + i);
            most = own > most ? own : most;
          },
          [&](int64_t i) { highest = std::max(highest, widen(x[i])); });
      for (int lane = 0; lane < LANES; lane++) highest = std::max(highest, most[lane]);
      along(
          size, [&](int64_t i) { sum += exponential(load(x + i) - highest); },
          [&](int64_t i) { tail += exponential(all(widen(x[i]) - highest))[0]; });
      found[row] = {highest, std::log(sum_of(sum) + tail)};
      lost[row] = found[row].rest - (widen(x[chosen[row]]) - highest);
    }
  });
}

template <class T>
void surprise_back_of(const Tensor& logits, const Tensor& targets, const Tensor& totals, const Tensor& weights,
                      Tensor& back) {
  const int64_t rows = logits.size(0), size = logits.size(1);
  const T* xs = read<T>(logits);
  const int64_t* chosen = read<int64_t>(targets);
  const Total* found = read<Total>(totals);
  const float* by = read<float>(weights);
  T* ys = write<T>(back);
  over(rows, 2 * size, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const T* x = xs + row * size;
      T* y = ys + row * size;
      const auto [highest, rest] = found[row];
      const float weight = by[row];
      const auto share = [&](int64_t i) { return exponential(all(widen(x[i]) - highest - rest))[0]; };
      along(
          size, [&](int64_t i) { store(exponential(load(x + i) - highest - rest) * weight, y + i); },
          [&](int64_t i) { narrow(share(i) * weight, y[i]); });
      narrow((share(chosen[row]) - 1) * weight, y[chosen[row]]);
    }
  });
}

// logits (P, V), targets (P) -> -log p of each target (P), and each row's Total (P, 2), in float32.
std::tuple<Tensor, Tensor> surprise(const Tensor& logits, const Tensor& targets) {
  const int64_t rows = logits.size(0);
  Tensor losses = torch::stable::new_empty(logits, {rows}, torch::headeronly::ScalarType::Float);
  Tensor totals = torch::stable::new_empty(logits, {rows, 2}, torch::headeronly::ScalarType::Float);
  if (is_float(logits))
    surprise_of<float>(logits, targets, losses, totals);
  else
    surprise_of<bf16>(logits, targets, losses, totals);
  return {losses, totals};
}

// The gradient of the logits, given that of the losses in float32.
Tensor surprise_back(const Tensor& logits, const Tensor& targets, const Tensor& totals, const Tensor& weights) {
  Tensor back = torch::stable::new_empty(logits, shape_of(logits));
  if (is_float(logits))
    surprise_back_of<float>(logits, targets, totals, weights, back);
  else
    surprise_back_of<bf16>(logits, targets, totals, weights, back);
  return back;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(liveoak, library) {
  library.def("surprise(Tensor logits, Tensor targets) -> (Tensor, Tensor)");
  library.def("surprise_back(Tensor logits, Tensor targets, Tensor totals, Tensor weights) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(liveoak, CPU, library) {
  library.impl("surprise", TORCH_BOX(&surprise));
  library.impl("surprise_back", TORCH_BOX(&surprise_back));
}
