// What steps of decoding are made of, where each sequence has one new token: rows times a weight matrix plus each row's own
// low-rank change, and attention over a pool of keys and values. Both are bound by reading memory, so they read each
// weight, key and value once. Over panels the product serves whole passes too.
//
// A row's sums run in the same order however many rows and threads there are: what a sequence gets does not depend on
// its neighbours. Sums are float32. Callers vouch for shapes, for contiguous rows and for the addresses in tables.

#include "panels.h"
#include "rows.h"

namespace {

template <class T>
void linear_of(const Tensor& x, const Tensor& weight, int64_t inputs, const std::optional<Tensor>& bias,
               const std::optional<Tensor>& table, Tensor& y) {
  const int64_t tokens = x.numel() / inputs, outputs = y.size(y.dim() - 1);
  const T* xs = read<T>(x);
  const T* b = bias ? read<T>(*bias) : nullptr;
  const rows::Changes<T> changes(xs, table, tokens, inputs);
  const auto in_panels = [&](const auto* w) {
    panels::product(xs, w, b, changes.each(), write<T>(y), tokens, inputs, outputs);
  };
  if (weight.dim() == 3) {
    if constexpr (std::is_same_v<T, bf16>) return in_panels(read<Two>(weight));
    if constexpr (std::is_same_v<T, float>)
      return is_float(weight) ? in_panels(read<panels::Whole>(weight)) : in_panels(read<panels::Pair>(weight));
  }
  rows::product(xs, read<T>(weight), b, changes.each(), write<T>(y), tokens, inputs, outputs);
}

// x (..., inputs) times weight, plus bias and what each row's slot adds; table (rows, 4). The weight is (outputs, inputs)
// in x's number format, or comes in panels.
Tensor linear(const Tensor& x, const Tensor& weight, int64_t outputs, std::optional<Tensor> bias,
              std::optional<Tensor> table) {
  std::vector<int64_t> shape = shape_of(x);
  const int64_t inputs = shape.back();
  shape.back() = outputs;
  Tensor y = torch::stable::new_empty(x, shape);
  if (is_float(x))
    linear_of<float>(x, weight, inputs, bias, table, y);
  else
    linear_of<bf16>(x, weight, inputs, bias, table, y);
  return y;
}

// A weight (outputs, inputs), or its transpose, in panels for rows in its own number format. Those for float32 hold two
// bfloat16 in one where nothing is lost by it.
Tensor in_panels(const Tensor& weight, bool transposed) {
  const int64_t rows = weight.size(0), columns = weight.size(1);
  const int64_t outputs = transposed ? columns : rows, inputs = transposed ? rows : columns;
  const int64_t down = transposed ? 1 : columns, across = transposed ? columns : 1, count = panels::count_for(outputs);
  const auto folded = [&]<class T, class P>(std::type_identity<T>, std::type_identity<P>) {
    const auto type = std::is_same_v<P, float> ? torch::headeronly::ScalarType::Float : torch::headeronly::ScalarType::Int;
    Tensor y = torch::stable::new_empty(weight, {count, panels::lines_of<P>(inputs), panels::A_LINE<P>}, type);
    panels::fold<T, P>(weight, outputs, inputs, down, across, y);
    return y;
  };
  if (!is_float(weight)) return folded(std::type_identity<bf16>(), std::type_identity<Two>());
  if (panels::foldable(weight)) return folded(std::type_identity<float>(), std::type_identity<panels::Pair>());
  return folded(std::type_identity<float>(), std::type_identity<panels::Whole>());
}

constexpr int HEADS = 4;  // whose values are summed at a time
constexpr int SOON = 8;   // places between a key that is used and one that is asked for

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
      const int64_t later = places[std::min(j + i + SOON, count - 1)] * stride;
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
  for (int64_t h = 0; h < share; h += HEADS) {
    const int64_t heads = std::min<int64_t>(HEADS, share - h);
    const float* rows[HEADS];
    for (int each = 0; each < HEADS; each++) rows[each] = scores + std::min(h + each, share - 1) * room;
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES) {
      Lanes sums[HEADS] = {};
      for (int64_t j = 0; j < count; j++) {
        const Lanes value = load(values + places[j] * stride + i);
        UNROLLED for (int each = 0; each < HEADS; each++) sums[each] = fused(value, all(rows[each][j]), sums[each]);
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
  library.def("in_panels(Tensor weight, bool transposed) -> Tensor");
  library.def("linear(Tensor x, Tensor weight, int outputs, Tensor? bias, Tensor? table) -> Tensor");
  library.def(
      "attend(Tensor query, Tensor key, Tensor value, Tensor(a!) keys, Tensor(b!) values, Tensor rows, "
      "float scaling, int window, float softcap) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(liveoak, CPU, library) {
  library.impl("in_panels", TORCH_BOX(&in_panels));
  library.impl("linear", TORCH_BOX(&linear));
  library.impl("attend", TORCH_BOX(&attend));
}
