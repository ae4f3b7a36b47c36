// What stands between a pass's matrix products, forward and backward: root mean square norms, gated activations, rotary
// positions, and attention confined to each sequence. Left to torch, each is ten calls that read and write all of the
// batch; here each reads it once.
//
// A sequence's sums run in the same order whatever the batch holds besides and however many threads there are. Sums are
// float32. Callers vouch for shapes and for contiguous tensors where nothing else is said.

#include <tuple>

#include "blocks.h"

namespace {

// ---- Norms: y = x / rms(x) * (weight + plus) ----

template <class T>
void norm_of(const Tensor& x, const Tensor& weight, double epsilon, double plus, Tensor& y, Tensor& scales) {
  const int64_t size = weight.numel(), rows = x.numel() / size;
  const T *xs = read<T>(x), *w = read<T>(weight);
  T* ys = write<T>(y);
  float* found = write<float>(scales);
  const float offset = float(plus);
  over(rows, size, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const T* in = xs + row * size;
      T* out = ys + row * size;
      Lanes squares = {};
      float tail = 0;
      along(
          size, [&](int64_t i) { squares += load(in + i) * load(in + i); },
          [&](int64_t i) { tail += widen(in[i]) * widen(in[i]); });
      const float scale = float(1 / std::sqrt((sum_of(squares) + tail) / float(size) + float(epsilon)));
      found[row] = scale;
      along(
          size, [&](int64_t i) { store(load(in + i) * scale * (load(w + i) + offset), out + i); },
          [&](int64_t i) { narrow(widen(in[i]) * scale * (widen(w[i]) + offset), out[i]); });
    }
  });
}

template <class T>
void norm_back_of(const Tensor& grad, const Tensor& x, const Tensor& weight, const Tensor& scales, double plus,
                  Tensor& back) {
  const int64_t size = weight.numel(), rows = x.numel() / size;
  const T *gs = read<T>(grad), *xs = read<T>(x), *w = read<T>(weight);
  const float* found = read<float>(scales);
  T* bs = write<T>(back);
  const float offset = float(plus);
  over(rows, 2 * size, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const T *g = gs + row * size, *in = xs + row * size;
      T* out = bs + row * size;
      const float scale = found[row];
      Lanes along_x = {};
      float tail = 0;
      along(
          size, [&](int64_t i) { along_x += load(g + i) * (load(w + i) + offset) * load(in + i); },
          [&](int64_t i) { tail += widen(g[i]) * (widen(w[i]) + offset) * widen(in[i]); });
      const float share = (sum_of(along_x) + tail) * scale * scale / float(size);
      along(
          size,
          [&](int64_t i) { store((load(g + i) * (load(w + i) + offset) - load(in + i) * share) * scale, out + i); },
          [&](int64_t i) { narrow((widen(g[i]) * (widen(w[i]) + offset) - widen(in[i]) * share) * scale, out[i]); });
    }
  });
}

// x (..., D) -> the same, and 1 / rms of each row.
std::tuple<Tensor, Tensor> norm(const Tensor& x, const Tensor& weight, double epsilon, double plus) {
  Tensor y = torch::stable::new_empty(x, shape_of(x));
  Tensor scales =
      torch::stable::new_empty(x, {x.numel() / weight.numel()}, torch::headeronly::ScalarType::Float);
  if (is_float(x))
    norm_of<float>(x, weight, epsilon, plus, y, scales);
  else
    norm_of<bf16>(x, weight, epsilon, plus, y, scales);
  return {y, scales};
}

Tensor norm_back(const Tensor& grad, const Tensor& x, const Tensor& weight, const Tensor& scales, double plus) {
  Tensor back = torch::stable::new_empty(x, shape_of(x));
  if (is_float(x))
    norm_back_of<float>(grad, x, weight, scales, plus, back);
  else
    norm_back_of<bf16>(grad, x, weight, scales, plus, back);
  return back;
}

// ---- Gates: y = activation(gate) * up ----

enum Activation : int64_t { SILU = 0, GELU_TANH = 1 };

constexpr float ROOT = 0.7978845608f, CUBE = 0.044715f;  // of the tanh form of GELU

inline Lanes sigmoid(Lanes x) {
  const Lanes e = exponential(x > 0 ? -x : x), inverse = 1.0f / (e + 1.0f);
  return x > 0 ? inverse : e * inverse;
}

// The activation of x, and its derivative. tanh(u) is 2 sigmoid(2 u) - 1.
inline std::pair<Lanes, Lanes> activate(Lanes x, int64_t kind) {
  if (kind == SILU) {
    const Lanes s = sigmoid(x);
    return {x * s, s * (x * (1.0f - s) + 1.0f)};
  }
  const Lanes u = ROOT * (x + CUBE * x * x * x), s = sigmoid(2.0f * u);
  return {x * s, s + x * s * (1.0f - s) * (2.0f * ROOT) * (1.0f + 3.0f * CUBE * x * x)};
}

// Up to a vector of numbers; what is missing counts as 0.
template <class T>
struct Some {
  const T* from;
  int64_t count;
  Lanes lanes() const {
    if (count == LANES) return load(from);
    T padded[LANES] = {};
    std::copy(from, from + count, padded);
    return load(padded);
  }
};

template <class T>
inline void put(Lanes x, T* to, int64_t count) {
  if (count == LANES) return store(x, to);
  T padded[LANES];
  store(x, padded);
  std::copy(padded, padded + count, to);
}

template <class T>
void gated_of(const Tensor& gate, const Tensor& up, int64_t kind, Tensor& y) {
  const T *gates = read<T>(gate), *ups = read<T>(up);
  T* ys = write<T>(y);
  const int64_t size = gate.numel();
  over(whole(size) / LANES, 2 * LANES, [&](int64_t from, int64_t to) {
    for (int64_t i = from * LANES; i < std::min(to * LANES, size); i += LANES) {
      const int64_t count = std::min<int64_t>(LANES, size - i);
      put(activate(Some<T>{gates + i, count}.lanes(), kind).first * Some<T>{ups + i, count}.lanes(), ys + i, count);
    }
  });
}

template <class T>
void gated_back_of(const Tensor& grad, const Tensor& gate, const Tensor& up, int64_t kind, Tensor& gate_back,
                   Tensor& up_back) {
  const T *grads = read<T>(grad), *gates = read<T>(gate), *ups = read<T>(up);
  T *gate_out = write<T>(gate_back), *up_out = write<T>(up_back);
  const int64_t size = gate.numel();
  over(whole(size) / LANES, 3 * LANES, [&](int64_t from, int64_t to) {
    for (int64_t i = from * LANES; i < std::min(to * LANES, size); i += LANES) {
      const int64_t count = std::min<int64_t>(LANES, size - i);
      const Lanes g = Some<T>{grads + i, count}.lanes();
      const auto [value, slope] = activate(Some<T>{gates + i, count}.lanes(), kind);
      put(g * Some<T>{ups + i, count}.lanes() * slope, gate_out + i, count);
      put(g * value, up_out + i, count);
    }
  });
}

Tensor gated(const Tensor& gate, const Tensor& up, int64_t kind) {
  Tensor y = torch::stable::new_empty(gate, shape_of(gate));
  if (is_float(gate))
    gated_of<float>(gate, up, kind, y);
  else
    gated_of<bf16>(gate, up, kind, y);
  return y;
}

std::tuple<Tensor, Tensor> gated_back(const Tensor& grad, const Tensor& gate, const Tensor& up, int64_t kind) {
  Tensor gate_back = torch::stable::new_empty(gate, shape_of(gate));
  Tensor up_back = torch::stable::new_empty(gate, shape_of(gate));
  if (is_float(gate))
    gated_back_of<float>(grad, gate, up, kind, gate_back, up_back);
  else
    gated_back_of<bf16>(grad, gate, up, kind, gate_back, up_back);
  return {gate_back, up_back};
}

// ---- Rotary positions: the first half of each head turned against the second ----

template <class T>
void rotate_of(const Tensor& x, const Tensor& cosines, const Tensor& sines, bool back, Tensor& y) {
  const int64_t heads = x.size(0), tokens = x.size(1), size = x.size(2), half = size / 2;
  const int64_t by_head = x.stride(0), by_token = x.stride(1);
  const T *xs = read<T>(x), *cs = read<T>(cosines), *ss = read<T>(sines);
  T* ys = write<T>(y);
  const float sign = back ? -1.0f : 1.0f;
  over(tokens, heads * size, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; t++) {
      const T *c = cs + t * size, *s = ss + t * size;
      // Turning back multiplies by the transposed matrix: the sines trade their halves and their sign.
      const T *s1 = back ? s + half : s, *s2 = back ? s : s + half;
      for (int64_t h = 0; h < heads; h++) {
        const T *a = xs + h * by_head + t * by_token, *b = a + half;
        T *out = ys + (t * heads + h) * size, *other = out + half;
        along(
            half,
            [&](int64_t i) {
              store(load(a + i) * load(c + i) - load(b + i) * load(s1 + i) * sign, out + i);
              store(load(b + i) * load(c + half + i) + load(a + i) * load(s2 + i) * sign, other + i);
            },
            [&](int64_t i) {
              narrow(widen(a[i]) * widen(c[i]) - widen(b[i]) * widen(s1[i]) * sign, out[i]);
              narrow(widen(b[i]) * widen(c[half + i]) + widen(a[i]) * widen(s2[i]) * sign, other[i]);
            });
      }
    }
  });
}

// x (H, T, D), its numbers of a head next to each other; cosines and sines (T, D) -> (T, H, D).
Tensor rotate(const Tensor& x, const Tensor& cosines, const Tensor& sines, bool back) {
  Tensor y = torch::stable::new_empty(x, {x.size(1), x.size(0), x.size(2)});
  if (is_float(x))
    rotate_of<float>(x, cosines, sines, back, y);
  else
    rotate_of<bf16>(x, cosines, sines, back, y);
  return y;
}

// ---- Attention, each sequence by itself ----

constexpr int64_t BLOCK = 32;  // queries whose scores are held at once

// A row of the table: where its places begin among all, how many, and the position of its first query.
struct Row {
  int64_t queries, query_count, keys, key_count, first;
};

struct Shape {
  int64_t heads, groups, size, padded;
  float scaling, softcap;
  int64_t window;
  const Row* rows;
  int64_t row_count;
  const int64_t* places;
};

// Heads of tokens, wherever they lie.
template <class T>
struct Heads {
  const T* data;
  int64_t by_token, by_head;

  // Those at `places`, in float32: (count, padded).
  void gather(const int64_t* places, int64_t count, int64_t head, int64_t size, int64_t padded, float* out) const {
    for (int64_t j = 0; j < count; j++) {
      const T* from = data + places[j] * by_token + head * by_head;
      along(
          size, [&](int64_t i) { store(load(from + i), out + j * padded + i); },
          [&](int64_t i) { out[j * padded + i] = widen(from[i]); });
    }
  }
};

// One head of one sequence, with what its scores are made of.
struct Head {
  const Shape& shape;
  const Row& row;
  int64_t stride;  // of scores
  std::vector<float> keys, keys_across, values, queries, scores;

  template <class T>
  Head(const Shape& shape, const Row& row, int64_t head, const Heads<T>& q, const Heads<T>& k, const Heads<T>& v)
      : shape(shape),
        row(row),
        stride(whole(row.key_count) + LANES),
        keys(row.key_count * shape.padded),
        keys_across(shape.padded * stride),
        values(row.key_count * shape.padded),
        queries(row.query_count * shape.padded),
        scores(BLOCK * stride) {
    const int64_t group = head / (shape.heads / shape.groups);
    k.gather(shape.places + row.keys, row.key_count, group, shape.size, shape.padded, keys.data());
    v.gather(shape.places + row.keys, row.key_count, group, shape.size, shape.padded, values.data());
    q.gather(shape.places + row.queries, row.query_count, head, shape.size, shape.padded, queries.data());
    transpose(keys.data(), row.key_count, shape.padded, shape.padded, keys_across.data(), stride);
  }

  // The first key that query `i` sees, and the first that it does not.
  int64_t begin(int64_t i) const {
    return shape.window > 0 ? std::max<int64_t>(0, row.first + i - shape.window + 1) : 0;
  }
  int64_t end(int64_t i) const { return row.first + i + 1; }

  // Columns of the scores of a block of queries: whole vectors.
  int64_t low(int64_t block) const { return begin(block) / LANES * LANES; }
  int64_t high(int64_t last) const { return whole(end(last)); }

  // Attention weights of the queries `from` to `to`, in `scores`; with a soft cap, its slopes in `slopes`.
  void weigh(int64_t from, int64_t to, float* slopes) {
    const int64_t lowest = low(from), highest = high(to - 1);
    for (int64_t i = from; i < to; i++) {
      float* own = scores.data() + (i - from) * stride;
      std::fill(own + lowest, own + highest, 0.0f);
    }
    multiply(queries.data() + from * shape.padded, shape.padded, 1, keys_across.data() + lowest, stride,
             scores.data() + lowest, stride, to - from, highest - lowest, shape.size);
    for (int64_t i = from; i < to; i++) {
      float* own = scores.data() + (i - from) * stride;
      const int64_t first = begin(i), past = end(i);
      for (int64_t j = first; j < past; j++) own[j] *= shape.scaling;
      if (shape.softcap > 0)
        for (int64_t j = first; j < past; j++) {
          const float bent = std::tanh(own[j] / shape.softcap);
          own[j] = shape.softcap * bent;
          if (slopes) slopes[(i - from) * stride + j] = 1 - bent * bent;
        }
      softmax(own + first, past - first);
      std::fill(own + lowest, own + first, 0.0f);
      std::fill(own + past, own + std::max(past, highest), 0.0f);
    }
  }
};

template <class T>
void attend_rows_of(const Shape& shape, const Heads<T>& q, const Heads<T>& k, const Heads<T>& v, T* out) {
  // Neighbouring numbers are heads of different rows: threads get a like share of long ones.
  torch::stable::parallel_for(0, shape.heads * shape.row_count, 1, [&](int64_t from, int64_t to) {
    std::vector<float> found(BLOCK * shape.padded);
    for (int64_t each = from; each < to; each++) {
      const int64_t h = each / shape.row_count;
      const Row& row = shape.rows[each % shape.row_count];
      Head head(shape, row, h, q, k, v);
      for (int64_t i = 0; i < row.query_count; i += BLOCK) {
        const int64_t past = std::min(i + BLOCK, row.query_count), lowest = head.low(i);
        head.weigh(i, past, nullptr);
        std::fill(found.begin(), found.end(), 0.0f);
        multiply(head.scores.data() + lowest, head.stride, 1, head.values.data() + lowest * shape.padded, shape.padded,
                 found.data(), shape.padded, past - i, shape.padded, head.end(past - 1) - lowest);
        for (int64_t t = i; t < past; t++) {
          T* to = out + (shape.places[row.queries + t] * shape.heads + h) * shape.size;
          const float* own = found.data() + (t - i) * shape.padded;
          along(
              shape.size, [&](int64_t c) { store(load(own + c), to + c); }, [&](int64_t c) { narrow(own[c], to[c]); });
        }
      }
    }
  });
}

// What one head of one sequence gives back to its keys and values from number `first` on: (key_count - first, padded) each.
struct Given {
  int64_t first;
  std::vector<float> keys, values;
};

template <class T>
void attend_rows_back_of(const Shape& shape, const Heads<T>& grad, const Heads<T>& q, const Heads<T>& k,
                         const Heads<T>& v, int64_t fixed, int64_t key_places, T* q_back, T* k_back, T* v_back) {
  std::vector<Given> given(shape.heads * shape.row_count);
  torch::stable::parallel_for(0, int64_t(given.size()), 1, [&](int64_t from, int64_t to) {
    std::vector<float> found(BLOCK * shape.padded);
    for (int64_t each = from; each < to; each++) {
      const int64_t h = each / shape.row_count;
      const Row& row = shape.rows[each % shape.row_count];
      Head head(shape, row, h, q, k, v);
      Given& own = given[each];
      own.first = 0;
      while (own.first < row.key_count && shape.places[row.keys + own.first] < fixed) own.first++;
      own.keys.assign((row.key_count - own.first) * shape.padded, 0.0f);
      own.values.assign((row.key_count - own.first) * shape.padded, 0.0f);
      std::vector<float> grads(row.query_count * shape.padded), values_across(shape.padded * head.stride),
          backs(BLOCK * head.stride), slopes(shape.softcap > 0 ? BLOCK * head.stride : 0);
      grad.gather(shape.places + row.queries, row.query_count, h, shape.size, shape.padded, grads.data());
      transpose(head.values.data(), row.key_count, shape.padded, shape.padded, values_across.data(), head.stride);
      for (int64_t i = 0; i < row.query_count; i += BLOCK) {
        const int64_t past = std::min(i + BLOCK, row.query_count), count = past - i, lowest = head.low(i),
                      highest = head.high(past - 1), seen = head.end(past - 1) - lowest;
        head.weigh(i, past, slopes.empty() ? nullptr : slopes.data());
        std::fill(backs.begin(), backs.end(), 0.0f);
        multiply(grads.data() + i * shape.padded, shape.padded, 1, values_across.data() + lowest, head.stride,
                 backs.data() + lowest, head.stride, count, highest - lowest, shape.size);
        for (int64_t t = 0; t < count; t++) {
          float *back = backs.data() + t * head.stride, *weights = head.scores.data() + t * head.stride;
          Lanes sum = {};
          for (int64_t j = lowest; j < highest; j += LANES) sum += load(weights + j) * load(back + j);
          const float shared = sum_of(sum);
          for (int64_t j = lowest; j < highest; j += LANES)
            store(load(weights + j) * (load(back + j) - shared) * shape.scaling, back + j);
          if (!slopes.empty())
            for (int64_t j = head.begin(i + t); j < head.end(i + t); j++) back[j] *= slopes[t * head.stride + j];
        }
        std::fill(found.begin(), found.end(), 0.0f);
        multiply(backs.data() + lowest, head.stride, 1, head.keys.data() + lowest * shape.padded, shape.padded,
                 found.data(), shape.padded, count, shape.padded, seen);
        const int64_t first = std::max(lowest, own.first), given_to = lowest + seen - first;
        float *keys_back = own.keys.data() + (first - own.first) * shape.padded,
              *values_back = own.values.data() + (first - own.first) * shape.padded;
        multiply(backs.data() + first, 1, head.stride, head.queries.data() + i * shape.padded, shape.padded, keys_back,
                 shape.padded, given_to, shape.padded, count);
        multiply(head.scores.data() + first, 1, head.stride, grads.data() + i * shape.padded, shape.padded, values_back,
                 shape.padded, given_to, shape.padded, count);
        for (int64_t t = i; t < past; t++) {
          T* to = q_back + (shape.places[row.queries + t] * shape.heads + h) * shape.size;
          for (int64_t c = 0; c < shape.size; c++) narrow(found[(t - i) * shape.padded + c], to[c]);
        }
      }
    }
  });
  // A key that several sequences share gets from each, in the order of the rows.
  std::vector<std::vector<std::pair<int64_t, int64_t>>> users(key_places);
  for (int64_t r = 0; r < shape.row_count; r++)
    for (int64_t j = given[r].first; j < shape.rows[r].key_count; j++)
      users[shape.places[shape.rows[r].keys + j]].push_back({r, j - given[r].first});
  const int64_t share = shape.heads / shape.groups;
  over(key_places, 2 * shape.heads * shape.size, [&](int64_t from, int64_t to) {
    std::vector<float> key(shape.padded), value(shape.padded);
    for (int64_t place = from; place < to; place++)
      for (int64_t g = 0; g < shape.groups; g++) {
        std::fill(key.begin(), key.end(), 0.0f);
        std::fill(value.begin(), value.end(), 0.0f);
        for (const auto& [r, j] : users[place])
          for (int64_t h = g * share; h < (g + 1) * share; h++) {
            const Given& own = given[h * shape.row_count + r];
            for (int64_t c = 0; c < shape.padded; c += LANES) {
              store(load(key.data() + c) + load(own.keys.data() + j * shape.padded + c), key.data() + c);
              store(load(value.data() + c) + load(own.values.data() + j * shape.padded + c), value.data() + c);
            }
          }
        for (int64_t c = 0; c < shape.size; c++) {
          narrow(key[c], k_back[(place * shape.groups + g) * shape.size + c]);
          narrow(value[c], v_back[(place * shape.groups + g) * shape.size + c]);
        }
      }
  });
}

Shape shape(const Tensor& query, const Tensor& key, const Tensor& rows, const Tensor& places, double scaling,
            int64_t window, double softcap) {
  return {query.size(1),    key.size(1),    query.size(2), whole(query.size(2)), float(scaling),
          float(softcap),   window,         read<Row>(rows), rows.size(0),       read<int64_t>(places)};
}

template <class T>
Heads<T> heads(const Tensor& x) {
  return {read<T>(x), x.stride(0), x.stride(1)};
}

// query (T, H, D), key and value (places, G, D), the numbers of a head next to each other -> (T, H, D). rows (R, 5):
// see Row; places: of the queries and keys of all rows. A window or soft cap of 0 is none.
Tensor attend_rows(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& rows,
                   const Tensor& places, double scaling, int64_t window, double softcap) {
  Tensor y = torch::stable::new_empty(query, shape_of(query));
  const Shape found = shape(query, key, rows, places, scaling, window, softcap);
  if (is_float(query))
    attend_rows_of<float>(found, heads<float>(query), heads<float>(key), heads<float>(value), write<float>(y));
  else
    attend_rows_of<bf16>(found, heads<bf16>(query), heads<bf16>(key), heads<bf16>(value), write<bf16>(y));
  return y;
}

// The first `fixed` key places have no gradient, which is 0 for them. A row's keys that are among them come before others.
std::tuple<Tensor, Tensor, Tensor> attend_rows_back(const Tensor& grad, const Tensor& query, const Tensor& key,
                                                    const Tensor& value, const Tensor& rows, const Tensor& places,
                                                    int64_t fixed, double scaling, int64_t window, double softcap) {
  Tensor q = torch::stable::new_empty(query, shape_of(query)), k = torch::stable::new_empty(key, shape_of(key)),
         v = torch::stable::new_empty(value, shape_of(value));
  const Shape found = shape(query, key, rows, places, scaling, window, softcap);
  if (is_float(query))
    attend_rows_back_of<float>(found, heads<float>(grad), heads<float>(query), heads<float>(key), heads<float>(value),
                               fixed, key.size(0), write<float>(q), write<float>(k), write<float>(v));
  else
    attend_rows_back_of<bf16>(found, heads<bf16>(grad), heads<bf16>(query), heads<bf16>(key), heads<bf16>(value),
                              fixed, key.size(0), write<bf16>(q), write<bf16>(k), write<bf16>(v));
  return {q, k, v};
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(liveoak, library) {
  library.def("norm(Tensor x, Tensor weight, float epsilon, float plus) -> (Tensor, Tensor)");
  library.def("norm_back(Tensor grad, Tensor x, Tensor weight, Tensor scales, float plus) -> Tensor");
  library.def("gated(Tensor gate, Tensor up, int kind) -> Tensor");
  library.def("gated_back(Tensor grad, Tensor gate, Tensor up, int kind) -> (Tensor, Tensor)");
  library.def("rotate(Tensor x, Tensor cosines, Tensor sines, bool back) -> Tensor");
  library.def(
      "attend_rows(Tensor query, Tensor key, Tensor value, Tensor rows, Tensor places, float scaling, int window, "
      "float softcap) -> Tensor");
  library.def(
      "attend_rows_back(Tensor grad, Tensor query, Tensor key, Tensor value, Tensor rows, Tensor places, "
      "int fixed, float scaling, int window, float softcap) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(liveoak, CPU, library) {
  library.impl("norm", TORCH_BOX(&norm));
  library.impl("norm_back", TORCH_BOX(&norm_back));
  library.impl("gated", TORCH_BOX(&gated));
  library.impl("gated_back", TORCH_BOX(&gated_back));
  library.impl("rotate", TORCH_BOX(&rotate));
  library.impl("attend_rows", TORCH_BOX(&attend_rows));
  library.impl("attend_rows_back", TORCH_BOX(&attend_rows_back));
}
