// Two products of decoding, where each sequence has one new token: rows times a weight matrix plus each row's own
// low-rank change, and attention over a pool of keys and values. Both are bound by reading memory, so they read each
// weight, key and value once.
//
// A row's sums run in the same order however many rows and threads there are: what a sequence gets does not depend on
// its neighbours. Sums are float32. Callers vouch for shapes, for contiguous weights and for the addresses in tables.

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <vector>

#include "lanes.h"

using torch::stable::Tensor;

namespace {

constexpr int WIDE = 4;             // weight rows at a time
constexpr int TALL = REGISTERS / 8;   // tokens at a time: their sums take half of the registers
constexpr int AHEAD = 2 * WIDE;     // weight rows between one that is used and one that is asked for
constexpr int MANY = 6;             // tokens at a time where there are many: then it is sums that take the time,
constexpr int NARROW = REGISTERS / 8 >= WIDE ? WIDE : WIDE / 2;  // and weight rows are fewer, for each is widened less often
constexpr int64_t NEAR = 1 << 16;   // bytes of weights that stay in the near cache while all tokens meet them
constexpr int64_t FAR = 1 << 13;    // bytes between a weight that is used and one that is asked for
constexpr bool ONE_ASKS = REGISTERS == 16;  // whether a single token asks: smaller processors see less far by themselves

// What a row's slot adds: b (outputs, rank) times low (rank) = scale * a x. A rank of 0 adds nothing.
template <class T>
struct Change {
  const T* b;
  const float* low;
  int64_t rank;

  // Adds to `sum`; returns what does not fill a vector.
  float add(int64_t output, Lanes& sum) const {
    const T* row = b + output * rank;
    __builtin_prefetch(row + AHEAD * rank);
    int64_t r = 0;
    for (; r + LANES <= rank; r += LANES) sum = fused(load(row + r), load(low + r), sum);
    float tail = 0;
    for (; r < rank; r++) tail = fused(widen(row[r]), low[r], tail);
    return tail;
  }
};

// Weights are asked for ahead of their use by the first tokens that meet them, since there is more to do per weight than
// the processor sees ahead by itself.
template <int tall, int wide, bool first, class T, class W, class Y>
void tile(const T* x, const W* w, const T* bias, const Change<T>* changes, Y* y, int64_t inputs, int64_t outputs,
          int64_t output) {
  Lanes sums[tall][wide] = {};
  w += output * inputs;
  const int step = step_of(x);
  for (int64_t i = 0; i + step <= inputs; i += step) {
    if constexpr (first && (tall > 1 || ONE_ASKS))
      UNROLLED for (size_t byte = 0; byte < wide * step_of(x) * sizeof(W); byte += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(w + wide * i) + FAR + byte);
    UNROLLED for (int t = 0; t < tall; t++)
      UNROLLED for (int o = 0; o < wide; o++) sums[t][o] = multiply_add(x + t * inputs + i, w + o * inputs + i, sums[t][o]);
  }
  for (int t = 0; t < tall; t++) {
    Quad tail = {};
    if (inputs % step)
      for (int o = 0; o < wide; o++) tail[o] += rest(x + t * inputs, w + o * inputs, inputs);
    if (changes && changes[t].rank)
      for (int o = 0; o < wide; o++) tail[o] += changes[t].add(output + o, sums[t][o]);
    if (bias)
      for (int o = 0; o < wide; o++) tail[o] += widen(bias[output + o]);
    Lanes four[WIDE] = {};
    for (int o = 0; o < wide; o++) four[o] = sums[t][o];
    const Quad found = totals(four[0], four[1], four[2], four[3]) + tail;
    for (int o = 0; o < wide; o++) narrow(found[o], y[t * outputs + output + o]);
  }
}

template <int wide, bool first, class T, class W, class Y>
void tiles(const T* x, const W* w, const T* bias, const Change<T>* changes, Y* y, int64_t tokens, int64_t inputs,
           int64_t outputs, int64_t output) {
  switch (tokens) {
    case MANY: tile<MANY, wide, first>(x, w, bias, changes, y, inputs, outputs, output); break;
    case 4: tile<std::min(4, TALL), wide, first>(x, w, bias, changes, y, inputs, outputs, output); break;
    case 3: tile<std::min(3, TALL), wide, first>(x, w, bias, changes, y, inputs, outputs, output); break;
    case 2: tile<2, wide, first>(x, w, bias, changes, y, inputs, outputs, output); break;
    default: tile<1, wide, first>(x, w, bias, changes, y, inputs, outputs, output);
  }
}

// The outputs `from` to `to`, `wide` at a time.
template <int wide, class T, class W, class Y>
void tiles(const T* x, const W* w, const T* bias, const Change<T>* changes, Y* y, int64_t tokens, int64_t inputs,
           int64_t outputs, int64_t from, int64_t to, bool first) {
  int64_t o = from;
  for (; o + wide <= to; o += wide)
    if (first)
      tiles<wide, true>(x, w, bias, changes, y, tokens, inputs, outputs, o);
    else
      tiles<wide, false>(x, w, bias, changes, y, tokens, inputs, outputs, o);
  if constexpr (wide > 1)
    if (o < to) tiles<1>(x, w, bias, changes, y, tokens, inputs, outputs, o, to, first);
}

// y (tokens, outputs) for the bundles `from` to `to` of WIDE outputs: MANY tokens after MANY tokens, then the rest, with
// as many weights as stay near.
template <class T, class W, class Y>
void bundles(const T* x, const W* w, const T* bias, const Change<T>* changes, Y* y, int64_t tokens, int64_t inputs,
             int64_t outputs, int64_t from, int64_t to) {
  const int64_t near = std::max<int64_t>(1, NEAR / (WIDE * inputs * int64_t(sizeof(W))));
  for (int64_t start = from; start < to; start += near) {
    const int64_t begin = start * WIDE, end = std::min(outputs, std::min(to, start + near) * WIDE);
    for (int64_t t = 0, some; t < tokens; t += some) {
      some = tokens - t < MANY ? std::min<int64_t>(TALL, tokens - t) : MANY;
      const T* xs = x + t * inputs;
      const Change<T>* cs = changes ? changes + t : nullptr;
      Y* ys = y + t * outputs;
      if (some == MANY)
        tiles<NARROW>(xs, w, bias, cs, ys, some, inputs, outputs, begin, end, t == 0);
      else
        tiles<WIDE>(xs, w, bias, cs, ys, some, inputs, outputs, begin, end, t == 0);
    }
  }
}

inline int64_t bundles_of(int64_t outputs) { return (outputs + WIDE - 1) / WIDE; }

// A row of the table: where its slot's a and b are, its rank, and its scale.
struct Entry {
  int64_t a, b, rank;
  double scale;
};

// low (rank) = scale * a x
template <class T>
void reduce(const Entry& entry, const T* x, int64_t inputs, float* low) {
  const Change<T>* none = nullptr;
  const T* no_bias = nullptr;
  const T* a = reinterpret_cast<const T*>(entry.a);
  bundles(x, a, no_bias, none, low, 1, inputs, entry.rank, 0, bundles_of(entry.rank));
  for (int64_t r = 0; r < entry.rank; r++) low[r] *= float(entry.scale);
}

template <class T, class W>
void linear_of(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
               const std::optional<Tensor>& table, Tensor& y) {
  const int64_t inputs = weight.size(1), outputs = weight.size(0), tokens = x.numel() / inputs;
  const T* xs = static_cast<const T*>(x.data_ptr());
  const W* w = static_cast<const W*>(weight.data_ptr());
  const T* b = bias ? static_cast<const T*>(bias->data_ptr()) : nullptr;
  T* ys = static_cast<T*>(y.data_ptr());
  std::vector<Change<T>> changes;
  std::vector<float> lows;
  if (table) {
    const Entry* entries = static_cast<const Entry*>(table->data_ptr());
    int64_t highest = 0;
    for (int64_t t = 0; t < tokens; t++) highest = std::max(highest, entries[t].rank);
    if (highest > 0) {
      lows.resize(tokens * highest);
      for (int64_t t = 0; t < tokens; t++)
        changes.push_back({reinterpret_cast<const T*>(entries[t].b), lows.data() + t * highest, entries[t].rank});
      const int64_t grain = std::max<int64_t>(1, GRAIN / (highest * inputs));
      torch::stable::parallel_for(0, tokens, grain, [&](int64_t from, int64_t to) {
        for (int64_t t = from; t < to; t++) reduce(entries[t], xs + t * inputs, inputs, lows.data() + t * highest);
      });
    }
  }
  const Change<T>* cs = changes.empty() ? nullptr : changes.data();
  const int64_t grain = std::max<int64_t>(1, GRAIN / (WIDE * inputs));
  torch::stable::parallel_for(0, bundles_of(outputs), grain, [&](int64_t from, int64_t to) {
    bundles(xs, w, b, cs, ys, tokens, inputs, outputs, from, to);
  });
}

// x (..., inputs) times weight (outputs, inputs), plus bias and what each row's slot adds; table (rows, 4). A weight in
// bfloat16 may meet a float32 x: numbers that are bfloat16's anyway are read in half of the bytes.
Tensor linear(const Tensor& x, const Tensor& weight, std::optional<Tensor> bias, std::optional<Tensor> table) {
  std::vector<int64_t> shape(x.sizes().begin(), x.sizes().end());
  shape.back() = weight.size(0);
  Tensor y = torch::stable::new_empty(x, shape);
  constexpr auto wide = torch::headeronly::ScalarType::Float;
  if (x.scalar_type() != wide)
    linear_of<bf16, bf16>(x, weight, bias, table, y);
  else if (weight.scalar_type() == wide)
    linear_of<float, float>(x, weight, bias, table, y);
  else
    linear_of<float, bf16>(x, weight, bias, table, y);
  return y;
}

// The products of q with the keys at four places.
template <class T>
inline Quad products(const T* q, const T* keys, const int64_t* places, int64_t stride, int64_t size) {
  const T* k[4];
  for (int j = 0; j < 4; j++) k[j] = keys + places[j] * stride;
  Lanes sums[4] = {};
  const int step = step_of(q);
  for (int64_t i = 0; i + step <= size; i += step)
    UNROLLED for (int j = 0; j < 4; j++) sums[j] = multiply_add(q + i, k[j] + i, sums[j]);
  Quad tail = {};
  if (size % step)
    for (int j = 0; j < 4; j++) tail[j] += rest(q, k[j], size);
  return totals(sums[0], sums[1], sums[2], sums[3]) + tail;
}

// The queries q (share, D) of one group of heads against the keys and values of their sequence.
template <class T>
void attend_one(const T* q, const T* keys, const T* values, const int64_t* places, int64_t count, int64_t share,
                int64_t stride, int64_t size, float scaling, float softcap, float* scores, int64_t room, T* out) {
  for (int64_t j = 0; j < count; j += 4) {
    int64_t four[4];
    for (int i = 0; i < 4; i++) {
      four[i] = places[std::min(j + i, count - 1)];
      const int64_t later = places[std::min(j + i + AHEAD, count - 1)] * stride;
      for (int64_t line = 0; line < size; line += 64 / int64_t(sizeof(T))) {
        __builtin_prefetch(keys + later + line);
        __builtin_prefetch(values + later + line);
      }
    }
    for (int64_t h = 0; h < share; h++) {
      const Quad found = products(q + h * size, keys, four, stride, size) * scaling;
      std::memcpy(scores + h * room + j, &found, sizeof found);
    }
  }
  for (int64_t h = 0; h < share; h++) {
    float* row = scores + h * room;
    if (softcap > 0)
      for (int64_t j = 0; j < count; j++) row[j] = softcap * std::tanh(row[j] / softcap);
    softmax(row, count);
  }
  for (int64_t h = 0; h < share; h += WIDE) {
    const int64_t heads = std::min<int64_t>(WIDE, share - h);
    const float* rows[WIDE];
    for (int each = 0; each < WIDE; each++) rows[each] = scores + std::min(h + each, share - 1) * room;
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
      Lanes sums[WIDE] = {};
      for (int64_t j = 0; j < count; j++) {
        const Lanes value = load(values + places[j] * stride + i);
        UNROLLED for (int each = 0; each < WIDE; each++) sums[each] = fused(value, all(rows[each][j]), sums[each]);
      }
      for (int64_t each = 0; each < heads; each++) store(sums[each], out + (h + each) * size + i);
    }
    for (; i < size; i++)
      for (int64_t each = 0; each < heads; each++) {
        float sum = 0;
        for (int64_t j = 0; j < count; j++) sum = fused(widen(values[places[j] * stride + i]), rows[each][j], sum);
        narrow(sum, out[(h + each) * size + i]);
      }
  }
}

template <class T>
void attend_of(const Tensor& query, const Tensor& key, const Tensor& value, Tensor& keys, Tensor& values,
               const Tensor& rows, double scaling, int64_t window, double softcap, Tensor& y) {
  const int64_t heads = query.size(1), tokens = query.size(2), size = query.size(3);
  const int64_t groups = key.size(1), share = heads / groups, stride = groups * size;
  const T *q = static_cast<const T*>(query.data_ptr()), *k = static_cast<const T*>(key.data_ptr()),
          *v = static_cast<const T*>(value.data_ptr());
  T *all_keys = static_cast<T*>(keys.data_ptr()), *all_values = static_cast<T*>(values.data_ptr());
  T* out = static_cast<T*>(y.data_ptr());
  const int64_t* entries = static_cast<const int64_t*>(rows.data_ptr());
  const int64_t qh = query.stride(1), qt = query.stride(2), qd = query.stride(3), kg = key.stride(1),
                kt = key.stride(2), kd = key.stride(3), vg = value.stride(1), vt = value.stride(2),
                vd = value.stride(3);
  int64_t longest = 1;
  for (int64_t t = 0; t < tokens; t++) longest = std::max(longest, entries[2 * t + 1]);
  const int64_t grain = std::max<int64_t>(1, GRAIN / (longest * size));
  torch::stable::parallel_for(0, tokens * groups, grain, [&](int64_t from, int64_t to) {
    std::vector<T> own(share * size);
    const int64_t room = (longest + LANES - 1) / LANES * LANES;
    std::vector<float> scores(share * room);
    for (int64_t each = from; each < to; each++) {
      const int64_t t = each / groups, g = each % groups;
      const int64_t* places = reinterpret_cast<const int64_t*>(entries[2 * t]);
      int64_t count = entries[2 * t + 1];
      const int64_t here = places[count - 1] * stride + g * size;
      for (int64_t i = 0; i < size; i++) {
        all_keys[here + i] = k[t * kt + g * kg + i * kd];
        all_values[here + i] = v[t * vt + g * vg + i * vd];
        for (int64_t h = 0; h < share; h++) own[h * size + i] = q[t * qt + (g * share + h) * qh + i * qd];
      }
      if (window > 0 && count > window) {
        places += count - window;
        count = window;
      }
      attend_one(own.data(), all_keys + g * size, all_values + g * size, places, count, share, stride, size,
                 float(scaling), float(softcap), scores.data(), room, out + (t * heads + g * share) * size);
    }
  });
}

// query (1, H, T, D), key and value (1, G, T, D), however they are strided -> (1, T, H, D). They are first stored in
// keys and values (places, G, D). rows (T, 2): address of a sequence's places, its new token's last, and their number.
// A window or soft cap of 0 is none.
Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, Tensor keys, Tensor values,
              const Tensor& rows, double scaling, int64_t window, double softcap) {
  Tensor y = torch::stable::new_empty(query, {1, query.size(2), query.size(1), query.size(3)});
  if (query.scalar_type() == torch::headeronly::ScalarType::Float)
    attend_of<float>(query, key, value, keys, values, rows, scaling, window, softcap, y);
  else
    attend_of<bf16>(query, key, value, keys, values, rows, scaling, window, softcap, y);
  return y;
}

}  // namespace

STABLE_TORCH_LIBRARY(liveoak, library) {
  library.def("linear(Tensor x, Tensor weight, Tensor? bias, Tensor? table) -> Tensor");
  library.def(
      "attend(Tensor query, Tensor key, Tensor value, Tensor(a!) keys, Tensor(b!) values, Tensor rows, "
      "float scaling, int window, float softcap) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(liveoak, CPU, library) {
  library.impl("linear", TORCH_BOX(&linear));
  library.impl("attend", TORCH_BOX(&attend));
}
