// The low-rank changes of a frozen layer's outputs, forward and backward: for each slot's tokens, y += scale (x a^T) b^T.
// Left to torch these are five small products a layer and slot, each with a call that costs more than its sums.
//
// A slot's sums run in the same order whatever other slots hold and however many threads there are. Sums are float32.
// Callers vouch for shapes, for contiguous tensors, and for the addresses in tables.

#include "blocks.h"

namespace {

constexpr int64_t ROWS = 24;      // tokens that a thread takes at once
constexpr int64_t COLUMNS = 192;  // numbers of a weight's gradient that a thread takes at once

// Tokens `start` to `end` under one slot: where its a (rank, inputs), its b (outputs, rank) and the gradients of both, in
// float32, lie. Addresses of gradients are 0 where none are wanted.
struct Part {
  int64_t start, end, a, b, rank, grad_a, grad_b;
  double scale;
};

// x (rows, columns) in float32, where it lies if it is that already.
inline const float* floats(const float* x, int64_t, std::vector<float>&) { return x; }
inline const float* floats(const bf16* x, int64_t count, std::vector<float>& room) {
  room.resize(count);
  along(count, [&](int64_t i) { store(load(x + i), room.data() + i); }, [&](int64_t i) { room[i] = widen(x[i]); });
  return room.data();
}

// x (rows, columns) -> (columns, stride), whose last columns, where stride is larger, are 0.
template <class T>
std::vector<float> across(const T* x, int64_t rows, int64_t columns, int64_t stride) {
  std::vector<float> room, found(columns * stride);
  transpose(floats(x, rows * columns, room), rows, columns, columns, found.data(), stride);
  return found;
}

// x (rows, columns) -> (rows, stride), likewise.
template <class T>
std::vector<float> padded(const T* x, int64_t rows, int64_t columns, int64_t stride) {
  std::vector<float> found(rows * stride);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) found[r * stride + c] = widen(x[r * columns + c]);
  return found;
}

// Adds what `work` sums up in float32 to y (rows, columns).
template <class Work>
void add_to(float* y, int64_t, int64_t, const Work& work) {
  work(y);
}
template <class Work>
void add_to(bf16* y, int64_t rows, int64_t columns, const Work& work) {
  std::vector<float> sums(rows * columns);
  for (int64_t i = 0; i < rows * columns; i++) sums[i] = widen(y[i]);
  work(sums.data());
  for (int64_t i = 0; i < rows * columns; i++) narrow(sums[i], y[i]);
}

inline void scaled(float* x, int64_t count, float by) {
  for (int64_t i = 0; i < count; i++) x[i] *= by;
}

struct Task {
  int64_t part, from, to;
};

// The parts in pieces of at most ROWS tokens.
std::vector<Task> pieces(const Part* parts, int64_t count) {
  std::vector<Task> found;
  for (int64_t p = 0; p < count; p++)
    for (int64_t t = parts[p].start; t < parts[p].end; t += ROWS)
      found.push_back({p, t, std::min(parts[p].end, t + ROWS)});
  return found;
}

template <class T>
void change_of(const Tensor& x, Tensor& y, const Part* parts, int64_t count, float* low, int64_t width) {
  const int64_t inputs = x.size(1), outputs = y.size(1);
  const T* xs = read<T>(x);
  T* ys = write<T>(y);
  std::vector<std::vector<float>> as(count), bs(count);
  torch::stable::parallel_for(0, 2 * count, 1, [&](int64_t from, int64_t to) {
    for (int64_t each = from; each < to; each++) {
      const Part& part = parts[each / 2];
      if (each % 2)
        bs[each / 2] = across(reinterpret_cast<const T*>(part.b), outputs, part.rank, whole(outputs));
      else
        as[each / 2] = across(reinterpret_cast<const T*>(part.a), part.rank, inputs, width);
    }
  });
  const std::vector<Task> tasks = pieces(parts, count);
  torch::stable::parallel_for(0, int64_t(tasks.size()), 1, [&](int64_t from, int64_t to) {
    std::vector<float> room;
    for (int64_t each = from; each < to; each++) {
      const auto [p, first, past] = tasks[each];
      float* own = low + first * width;
      std::fill(own, low + past * width, 0.0f);
      multiply(floats(xs + first * inputs, (past - first) * inputs, room), inputs, 1, as[p].data(), width, own, width,
               past - first, width, inputs);
      scaled(own, (past - first) * width, float(parts[p].scale));
      add_to(ys + first * outputs, past - first, outputs, [&](float* sums) {
        multiply(own, width, 1, bs[p].data(), whole(outputs), sums, outputs, past - first, outputs, parts[p].rank);
      });
    }
  });
}

// x (T, inputs); adds to y (T, outputs). parts (P, 8): see Part. Returns scale (x a^T) of each token, (T, width) float32,
// width the highest rank in whole vectors; what stands where no part does is no number in particular.
Tensor change(const Tensor& x, Tensor y, const Tensor& parts) {
  const Part* all = read<Part>(parts);
  int64_t highest = 1;
  for (int64_t p = 0; p < parts.size(0); p++) highest = std::max(highest, all[p].rank);
  const int64_t width = whole(highest);
  Tensor low = torch::stable::new_empty(x, {x.size(0), width}, torch::headeronly::ScalarType::Float);
  if (is_float(x))
    change_of<float>(x, y, all, parts.size(0), write<float>(low), width);
  else
    change_of<bf16>(x, y, all, parts.size(0), write<float>(low), width);
  return low;
}

template <class T>
void change_back_of(const Tensor& grad, const Tensor& x, const float* low, int64_t width, const Part* parts,
                    int64_t count, T* x_back) {
  const int64_t inputs = x.size(1), outputs = grad.size(1), tokens = x.size(0);
  std::vector<float> x_room, grad_room, low_back(tokens * width);
  const float *xs = floats(read<T>(x), x.numel(), x_room), *gs = floats(read<T>(grad), grad.numel(), grad_room);
  std::vector<std::vector<float>> bs(count);
  torch::stable::parallel_for(0, count, 1, [&](int64_t from, int64_t to) {
    for (int64_t p = from; p < to; p++)
      bs[p] = padded(reinterpret_cast<const T*>(parts[p].b), outputs, parts[p].rank, width);
  });
  const std::vector<Task> tasks = pieces(parts, count);
  torch::stable::parallel_for(0, int64_t(tasks.size()), 1, [&](int64_t from, int64_t to) {
    std::vector<float> room;
    for (int64_t each = from; each < to; each++) {
      const auto [p, first, past] = tasks[each];
      float* own = low_back.data() + first * width;
      multiply(gs + first * outputs, outputs, 1, bs[p].data(), width, own, width, past - first, width, outputs);
      scaled(own, (past - first) * width, float(parts[p].scale));
      if (!x_back) continue;
      const float* a = floats(reinterpret_cast<const T*>(parts[p].a), parts[p].rank * inputs, room);
      add_to(x_back + first * inputs, past - first, inputs, [&](float* sums) {
        multiply(own, width, 1, a, inputs, sums, inputs, past - first, inputs, parts[p].rank);
      });
    }
  });
  // Of a slot's gradients each thread takes some numbers, over all tokens of all its parts in order.
  std::vector<Task> weights;  // places of `a` first, then those of `b`
  for (int64_t p = 0; p < count; p++) {
    const bool seen = std::any_of(parts, parts + p, [&](const Part& other) { return other.grad_a == parts[p].grad_a; });
    if (!parts[p].grad_a || seen) continue;
    for (int64_t i = 0; i < inputs; i += COLUMNS) weights.push_back({p, i, std::min(inputs, i + COLUMNS)});
    for (int64_t o = 0; o < outputs; o += COLUMNS)
      weights.push_back({p, inputs + o, inputs + std::min(outputs, o + COLUMNS)});
  }
  torch::stable::parallel_for(0, int64_t(weights.size()), 1, [&](int64_t from, int64_t to) {
    for (int64_t each = from; each < to; each++) {
      const auto [p, first, past] = weights[each];
      float *grad_a = reinterpret_cast<float*>(parts[p].grad_a), *grad_b = reinterpret_cast<float*>(parts[p].grad_b);
      for (const Part* part = parts + p; part < parts + count; part++) {
        if (part->grad_a != parts[p].grad_a) continue;
        const int64_t length = part->end - part->start;
        if (first < inputs)
          multiply(low_back.data() + part->start * width, 1, width, xs + part->start * inputs + first, inputs,
                   grad_a + first, inputs, part->rank, past - first, length);
        else
          multiply(gs + part->start * outputs + first - inputs, 1, outputs, low + part->start * width, width,
                   grad_b + (first - inputs) * part->rank, part->rank, past - first, part->rank, length);
      }
    }
  });
}

// grad (T, outputs), x (T, inputs) and `low` of the way there; adds to the slots' gradients and, if it is there, to x_back
// (T, inputs).
void change_back(const Tensor& grad, const Tensor& x, const Tensor& low, const Tensor& parts,
                 std::optional<Tensor> x_back) {
  const Part* all = read<Part>(parts);
  if (is_float(x))
    change_back_of<float>(grad, x, read<float>(low), low.size(1), all, parts.size(0),
                          x_back ? write<float>(*x_back) : nullptr);
  else
    change_back_of<bf16>(grad, x, read<float>(low), low.size(1), all, parts.size(0),
                         x_back ? write<bf16>(*x_back) : nullptr);
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(liveoak, library) {
  library.def("change(Tensor x, Tensor(a!) y, Tensor parts) -> Tensor");
  library.def("change_back(Tensor grad, Tensor x, Tensor low, Tensor parts, Tensor(a!)? x_back) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(liveoak, CPU, library) {
  library.impl("change", TORCH_BOX(&change));
  library.impl("change_back", TORCH_BOX(&change_back));
}
