// Rows times a weight matrix as it lies, (outputs, inputs) in the rows' own number format, plus each row's own low-rank
// change. With few rows it is reading memory that takes the time, so each weight is read once.
//
// A row's sums run in the same order however many rows and threads there are. Sums are float32.

#pragma once

#include "blocks.h"

namespace {
namespace rows {

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
template <int tall, int wide, bool first, class T, class Y>
void tile(const T* x, const T* w, const T* bias, const Change<T>* changes, Y* y, int64_t inputs, int64_t outputs,
          int64_t output) {
  Lanes sums[tall][wide] = {};
  w += output * inputs;
  const int step = step_of(x);
  for (int64_t i = 0; i + step <= inputs; i += step) {
    if constexpr (first && (tall > 1 || ONE_ASKS))
      UNROLLED for (size_t byte = 0; byte < wide * step_of(x) * sizeof(T); byte += 64)
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

template <int wide, bool first, class T, class Y>
void tiles(const T* x, const T* w, const T* bias, const Change<T>* changes, Y* y, int64_t tokens, int64_t inputs,
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
template <int wide, class T, class Y>
void tiles(const T* x, const T* w, const T* bias, const Change<T>* changes, Y* y, int64_t tokens, int64_t inputs,
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
template <class T, class Y>
void bundles(const T* x, const T* w, const T* bias, const Change<T>* changes, Y* y, int64_t tokens, int64_t inputs,
             int64_t outputs, int64_t from, int64_t to) {
  const int64_t near = std::max<int64_t>(1, NEAR / (WIDE * inputs * int64_t(sizeof(T))));
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

// What each row's slot adds, with the first half of its product done. Empty: no row has any.
template <class T>
class Changes {
 public:
  // x (tokens, inputs); table (tokens, 4) of entries.
  Changes(const T* x, const std::optional<Tensor>& table, int64_t tokens, int64_t inputs) {
    if (!table) return;
    const Entry* entries = read<Entry>(*table);
    int64_t highest = 0;
    for (int64_t t = 0; t < tokens; t++) highest = std::max(highest, entries[t].rank);
    if (highest == 0) return;
    lows_.resize(tokens * highest);
    for (int64_t t = 0; t < tokens; t++)
      each_.push_back({reinterpret_cast<const T*>(entries[t].b), lows_.data() + t * highest, entries[t].rank});
    over(tokens, highest * inputs, [&](int64_t from, int64_t to) {
      for (int64_t t = from; t < to; t++) reduce(entries[t], x + t * inputs, inputs, lows_.data() + t * highest);
    });
  }
  const Change<T>* each() const { return each_.empty() ? nullptr : each_.data(); }

 private:
  std::vector<Change<T>> each_;
  std::vector<float> lows_;
};

// y (tokens, outputs) of x (tokens, inputs) and w (outputs, inputs).
template <class T>
void product(const T* x, const T* w, const T* bias, const Change<T>* changes, T* y, int64_t tokens, int64_t inputs,
             int64_t outputs) {
  over(bundles_of(outputs), WIDE * inputs,
       [&](int64_t from, int64_t to) { bundles(x, w, bias, changes, y, tokens, inputs, outputs, from, to); });
}

}  // namespace rows
}  // namespace
