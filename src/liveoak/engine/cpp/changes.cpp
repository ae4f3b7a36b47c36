// The low-rank changes of a frozen layer's outputs, forward and backward: for each slot's tokens, y += scale (x a^T) b^T.
// Left to torch these are five small products a layer and slot, each with a call that costs more than its sums.
//
// A slot's sums run in the same order whatever other slots hold and however many threads there are. Sums are float32; what
// lies between two products is narrowed to the tensors' number format, in which processors may multiply faster. Callers
// vouch for shapes, for contiguous tensors, and for the addresses in tables.

#include <optional>

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

// Numbers of a line of words that hold so many.
template <class T>
int64_t lines(int64_t count) {
  return (count + NUMBERS<Word<T>> - 1) / NUMBERS<Word<T>>;
}

// Words of `count` numbers, and of those beneath them where there are any.
inline void pair_up(const float* x, const float*, int64_t across, int64_t count, float* to) {
  for (int64_t c = 0; c < count; c++) to[c] = x[c * across];
}
inline void pair_up(const bf16* x, const bf16* beneath, int64_t across, int64_t count, Two* to) {
  if (!beneath) {
    for (int64_t c = 0; c < count; c++) to[c] = word(x[c * across], {});
  } else if (beneath == x + 1) {
    for (int64_t c = 0; c < count; c++) std::memcpy(to + c, x + c * across, sizeof *to);
  } else if (across == 1) {
    for (int64_t c = 0; c < count; c++) to[c] = word(x[c], beneath[c]);
  } else {
    for (int64_t c = 0; c < count; c++) to[c] = word(x[c * across], beneath[c * across]);
  }
}

// One side of a product: (depth, columns) in words of neighbours in depth, each line in whole vectors, whose rest is 0.
template <class T>
struct Side {
  const Word<T>* at;
  int64_t stride;
  std::vector<Word<T>> room;

  // x, whose numbers lie `down` and `across` from each other; where it lies, if it is that already.
  Side(const T* x, int64_t down, int64_t across, int64_t depth, int64_t columns) : stride(whole(columns)) {
    if constexpr (NUMBERS<Word<T>> == 1)
      if (across == 1 && stride == columns) {
        at = x, stride = down;
        return;
      }
    room.resize(lines<T>(depth) * stride);
    at = room.data();
    // Columns that lie apart are taken a few at a time, so that what is read of one with a number is still near.
    const int64_t some = across == 1 ? columns : LANES;
    for (int64_t from = 0; from < columns; from += some)
      for (int64_t i = 0; i < depth; i += NUMBERS<Word<T>>) {
        const T* own = x + i * down + from * across;
        pair_up(own, i + 1 < depth ? own + down : nullptr, across, std::min(some, columns - from),
                room.data() + i / NUMBERS<Word<T>> * stride + from);
      }
  }
};

// The other side: rows of numbers, a word of neighbours in a row at a time.
template <class T>
struct Rows {
  const Word<T>* at;
  int64_t stride;
  std::vector<T> room;

  Rows(const T* x, int64_t rows, int64_t depth) : stride(lines<T>(depth)) {
    if (stride * NUMBERS<Word<T>> != depth) {
      const int64_t padded = stride * NUMBERS<Word<T>>;
      room.resize(rows * padded);
      for (int64_t r = 0; r < rows; r++) std::copy(x + r * depth, x + (r + 1) * depth, room.data() + r * padded);
      x = room.data();
    }
    at = reinterpret_cast<const Word<T>*>(x);
  }
};

// Sums, in T.
inline const float* narrowed(const float* x, int64_t, std::vector<float>&) { return x; }
inline const bf16* narrowed(const float* x, int64_t count, std::vector<bf16>& room) {
  room.resize(count);
  along(count, [&](int64_t i) { store(load(x + i), room.data() + i); }, [&](int64_t i) { narrow(x[i], room[i]); });
  return room.data();
}

// Adds what `work` sums up, in float32 and whole vectors, to the `rows` rows of `columns` numbers that begin `down` apart.
template <class T, class Work>
void add_to(T* y, int64_t down, int64_t rows, int64_t columns, std::vector<float>& room, const Work& work) {
  const int64_t stride = whole(columns);
  if constexpr (std::is_same_v<T, float>)
    if (stride == columns) return work(y, down);
  room.assign(rows * stride, 0.0f);
  for (int64_t r = 0; r < rows; r++) {
    const T* own = y + r * down;
    float* to = room.data() + r * stride;
    along(columns, [&](int64_t i) { store(load(own + i), to + i); }, [&](int64_t i) { to[i] = widen(own[i]); });
  }
  work(room.data(), stride);
  for (int64_t r = 0; r < rows; r++) {
    T* own = y + r * down;
    const float* from = room.data() + r * stride;
    along(columns, [&](int64_t i) { store(load(from + i), own + i); }, [&](int64_t i) { narrow(from[i], own[i]); });
  }
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

// Two sides of each part: what `first` makes of it, and what `second` does.
template <class T, class First, class Second>
std::vector<std::optional<Side<T>>> sides_of(const Part* parts, int64_t count, const First& first, const Second& second) {
  std::vector<std::optional<Side<T>>> found(2 * count);
  torch::stable::parallel_for(0, 2 * count, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) found[i].emplace(i % 2 ? second(parts[i / 2]) : first(parts[i / 2]));
  });
  return found;
}

template <class T>
const T* at(int64_t address) {
  return reinterpret_cast<const T*>(address);
}

template <class T>
void change_of(const Tensor& x, Tensor& y, const Part* parts, int64_t count, float* low, int64_t width) {
  const int64_t inputs = x.size(1), outputs = y.size(1);
  const T* xs = read<T>(x);
  T* ys = write<T>(y);
  const auto sides = sides_of<T>(
      parts, count, [&](const Part& part) { return Side<T>(at<T>(part.a), 1, inputs, inputs, part.rank); },
      [&](const Part& part) { return Side<T>(at<T>(part.b), 1, part.rank, part.rank, outputs); });
  const std::vector<Task> tasks = pieces(parts, count);
  torch::stable::parallel_for(0, int64_t(tasks.size()), 1, [&](int64_t from, int64_t to) {
    std::vector<float> room;
    std::vector<T> narrow_room;
    for (int64_t each = from; each < to; each++) {
      const auto [p, first, past] = tasks[each];
      const Side<T>&in = *sides[2 * p], &out = *sides[2 * p + 1];
      const int64_t rows = past - first;
      float* own = low + first * width;
      std::fill(own, low + past * width, 0.0f);
      const Rows<T> given(xs + first * inputs, rows, inputs);
      multiply(given.at, given.stride, 1, in.at, in.stride, own, width, rows, whole(parts[p].rank), lines<T>(inputs));
      scaled(own, rows * width, float(parts[p].scale));
      const Rows<T> lows(narrowed(own, rows * width, narrow_room), rows, width);
      add_to(ys + first * outputs, outputs, rows, outputs, room, [&](float* sums, int64_t down) {
        multiply(lows.at, lows.stride, 1, out.at, out.stride, sums, down, rows, whole(outputs), lines<T>(parts[p].rank));
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
  const T *xs = read<T>(x), *gs = read<T>(grad);
  std::vector<float> low_back(tokens * width);
  const auto sides = sides_of<T>(
      parts, count, [&](const Part& part) { return Side<T>(at<T>(part.b), part.rank, 1, outputs, part.rank); },
      [&](const Part& part) { return Side<T>(at<T>(part.a), inputs, 1, part.rank, inputs); });
  const std::vector<Task> tasks = pieces(parts, count);
  torch::stable::parallel_for(0, int64_t(tasks.size()), 1, [&](int64_t from, int64_t to) {
    std::vector<float> room;
    std::vector<T> narrow_room;
    for (int64_t each = from; each < to; each++) {
      const auto [p, first, past] = tasks[each];
      const Side<T>&in = *sides[2 * p], &out = *sides[2 * p + 1];
      const int64_t rows = past - first;
      float* own = low_back.data() + first * width;
      const Rows<T> given(gs + first * outputs, rows, outputs);
      multiply(given.at, given.stride, 1, in.at, in.stride, own, width, rows, whole(parts[p].rank), lines<T>(outputs));
      scaled(own, rows * width, float(parts[p].scale));
      if (!x_back) continue;
      const Rows<T> lows(narrowed(own, rows * width, narrow_room), rows, width);
      add_to(x_back + first * inputs, inputs, rows, inputs, room, [&](float* sums, int64_t down) {
        multiply(lows.at, lows.stride, 1, out.at, out.stride, sums, down, rows, whole(inputs), lines<T>(parts[p].rank));
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
  if (weights.empty()) return;
  const auto across_tokens = [&](const Part& part, const float* lows) {
    std::vector<T> room;
    const int64_t length = part.end - part.start;
    return Side<T>(narrowed(lows + part.start * width, length * width, room), width, 1, length, width);
  };
  const auto lows = sides_of<T>(
      parts, count, [&](const Part& part) { return across_tokens(part, low_back.data()); },
      [&](const Part& part) { return across_tokens(part, low); });
  torch::stable::parallel_for(0, int64_t(weights.size()), 1, [&](int64_t from, int64_t to) {
    std::vector<float> room;
    for (int64_t each = from; each < to; each++) {
      const auto [p, first, past] = weights[each];
      const int64_t size = past - first, rank = parts[p].rank;
      const bool of_a = first < inputs;
      float* grads = of_a ? reinterpret_cast<float*>(parts[p].grad_a) + first
                          : reinterpret_cast<float*>(parts[p].grad_b) + (first - inputs) * rank;
      const auto sum_up = [&](float* sums, int64_t down) {
        for (int64_t q = p; q < count; q++) {
          if (parts[q].grad_a != parts[p].grad_a) continue;
          const int64_t start = parts[q].start, length = parts[q].end - start;
          if (of_a) {
            const Side<T> given(xs + start * inputs + first, inputs, 1, length, size);
            const Side<T>& own = *lows[2 * q];
            multiply(own.at, 1, own.stride, given.at, given.stride, sums, down, rank, whole(size), lines<T>(length));
          } else {
            const Side<T> given(gs + start * outputs + first - inputs, outputs, 1, length, size);
            const Side<T>& own = *lows[2 * q + 1];
            multiply(given.at, 1, given.stride, own.at, own.stride, sums, down, size, whole(rank), lines<T>(length));
          }
        }
      };
      if (of_a)
        add_to(grads, inputs, rank, size, room, sum_up);
      else
        add_to(grads, rank, size, rank, room, sum_up);
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
