// Rows of float32 times a weight that is kept in panels. A panel is what PANEL outputs have to do with one input after the
// other: an input is read once for all of them, their sums lie side by side in registers and are never added up across, and
// memory is read from its beginning to its end. That serves one row as well as hundreds.
//
// A row's sums run over the inputs in order, however many rows and threads there are.

#pragma once

#include <type_traits>

#include "rows.h"

namespace {
namespace panels {

constexpr int PANEL = 2 * LANES;
constexpr int ROWS = REGISTERS >= 32 ? 12 : 6;  // at a time: two sums each, and some registers free
static_assert(ROWS <= 16, "loops over them are to be unrolled");
constexpr int64_t BLOCK = 96;                   // rows that stay near while all panels pass by

inline int64_t count_for(int64_t outputs) { return (outputs + PANEL - 1) / PANEL; }

// Two numbers in bfloat16, the lower one of a panel's first half and the upper one of its second.
typedef uint32_t Pair;
template <class P>
constexpr int AN_INPUT = std::is_same_v<P, Pair> ? LANES : PANEL;  // of P in a panel for each input

struct Both {
  Lanes first, second;
};
inline Both unfold(const float* w) { return {load(w), load(w + LANES)}; }
inline Both unfold(const Pair* w) {
  Words words;
  std::memcpy(&words, w, sizeof words);
  return {(Lanes)(words << 16), (Lanes)(words & 0xffff0000u)};
}

// Of a row and a panel.
struct Sums {
  Lanes first = {}, second = {};
};

// `sums` of `rows` rows x with one panel w. The first rows that meet a panel ask for what comes next.
template <int rows, bool first, class P>
inline void add_up(const float* x, const P* w, int64_t inputs, Sums* sums) {
  Lanes firsts[rows] = {}, seconds[rows] = {};
  constexpr int bytes = AN_INPUT<P> * sizeof(P), every = std::max(1, 64 / bytes);
  for (int64_t i = 0; i < inputs; i++) {
    const P* own = w + i * AN_INPUT<P>;
    if constexpr (first)
      if (i % every == 0)
        UNROLLED for (int byte = 0; byte < bytes; byte += 64)
          __builtin_prefetch(reinterpret_cast<const char*>(own) + rows::FAR + byte);
    const Both both = unfold(own);
    UNROLLED for (int r = 0; r < rows; r++) {
      const Lanes one = all(x[r * inputs + i]);
      firsts[r] = fused(both.first, one, firsts[r]);
      seconds[r] = fused(both.second, one, seconds[r]);
    }
  }
  for (int r = 0; r < rows; r++) sums[r] = {firsts[r], seconds[r]};
}

template <int rows, class P>
inline void add_up(int64_t count, bool first, const float* x, const P* w, int64_t inputs, Sums* sums) {
  if (count < rows) {
    if constexpr (rows > 1) add_up<rows - 1>(count, first, x, w, inputs, sums);
  } else if (first) {
    add_up<rows, true>(x, w, inputs, sums);
  } else {
    add_up<rows, false>(x, w, inputs, sums);
  }
}

// y (outputs `from` to `to` of a row) from its sums, bias and change.
inline void finish(const Sums& sums, const float* bias, const rows::Change<float>* change, float* y, int64_t from,
                   int64_t to) {
  float found[PANEL];
  store(sums.first, found), store(sums.second, found + LANES);
  for (int64_t o = from; o < to; o++) y[o] = found[o - from] + (bias ? bias[o] : 0);
  if (change && change->rank)
    for (int64_t o = from; o < to; o++) {
      Lanes sum = {};
      const float tail = change->add(o, sum);
      y[o] += tail + sum_of(sum);
    }
}

template <class P>
void product(const float* x, const P* w, const float* bias, const rows::Change<float>* changes, float* y, int64_t tokens,
             int64_t inputs, int64_t outputs) {
  const int64_t panels = count_for(outputs), blocks = (tokens + BLOCK - 1) / BLOCK;
  over(blocks * panels, std::min(tokens, BLOCK) * inputs * PANEL, [&](int64_t begin, int64_t end) {
    for (int64_t each = begin; each < end; each++) {
      const int64_t panel = each % panels, from = panel * PANEL, to = std::min(outputs, from + PANEL);
      const int64_t start = each / panels * BLOCK, stop = std::min(tokens, start + BLOCK);
      // Groups of like size: one row alone would take as long as four.
      const int64_t groups = (stop - start + ROWS - 1) / ROWS;
      for (int64_t group = 0, t = start; group < groups; group++) {
        const int64_t count = (stop - t + groups - group - 1) / (groups - group);
        Sums sums[ROWS];
        add_up<ROWS>(count, group == 0, x + t * inputs, w + panel * inputs * AN_INPUT<P>, inputs, sums);
        for (int64_t r = 0; r < count; r++)
          finish(sums[r], bias, changes ? changes + t + r : nullptr, y + (t + r) * outputs, from, to);
        t += count;
      }
    }
  });
}

// Whether all of a float32 tensor's numbers are bfloat16's too.
inline bool foldable(const Tensor& weight) {
  const uint32_t* bits = read<uint32_t>(weight);
  uint32_t lost = 0;
  for (int64_t i = 0; i < int64_t(weight.numel()); i++) lost |= bits[i];
  return (lost & 0xffff) == 0;
}

// Keeps PANEL numbers of float32, by their bits.
inline void fold(const uint32_t* bits, Pair* place) {
  for (int lane = 0; lane < LANES; lane++) place[lane] = (bits[lane] >> 16) | (bits[LANES + lane] & 0xffff0000u);
}
inline void fold(const uint32_t* bits, float* place) { std::memcpy(place, bits, PANEL * sizeof *place); }

// The panels y of outputs by inputs, whose numbers in float32 lie `down` and `across` from each other.
template <class P>
void fold(const Tensor& weight, int64_t outputs, int64_t inputs, int64_t down, int64_t across, Tensor& y) {
  const uint32_t* bits = read<uint32_t>(weight);
  P* places = write<P>(y);
  over(count_for(outputs), PANEL * inputs, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t from = panel * PANEL, count = std::min<int64_t>(PANEL, outputs - from);
      uint32_t own[PANEL] = {};
      for (int64_t i = 0; i < inputs; i++) {
        for (int64_t o = 0; o < count; o++) own[o] = bits[(from + o) * down + i * across];
        fold(own, places + (panel * inputs + i) * AN_INPUT<P>);
      }
    }
  });
}

}  // namespace panels
}  // namespace
