// Rows times a weight that is kept in panels. A panel is what PANEL outputs have to do with one input after the other: an
// input is read once for all of them, their sums lie side by side in registers and are never added up across, and memory is
// read from its beginning to its end. That serves one row as well as hundreds. Sums are float32.
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
template <class T>
constexpr int64_t BLOCK = 384 / sizeof(T);      // rows at most that stay near while all panels pass by

inline int64_t count_for(int64_t outputs) { return (outputs + PANEL - 1) / PANEL; }

// What a panel holds, in words that lie one after the other: all have the numbers of one line of a panel, which is what
// is met at a time.
//
// For rows of float32, a line is one input:
typedef float Whole;      // one number a word
struct Pair {             // two in bfloat16, the lower one of the panel's first half and the upper one of its second
  uint32_t bits;
};
// For rows of bfloat16, a line is two inputs, a word both of one output.
template <class P>
constexpr int A_LINE = std::is_same_v<P, Pair> ? LANES : PANEL;  // of P
template <class P>
constexpr int INPUTS = NUMBERS<P>;                               // in a line
template <class P>
inline int64_t lines_of(int64_t inputs) { return (inputs + INPUTS<P> - 1) / INPUTS<P>; }

struct Both {
  Lanes first, second;
};
template <class P>
inline Both unfold(const P* w) { return {words(w), words(w + LANES)}; }
inline Both unfold(const Pair* w) {
  Words halves;
  std::memcpy(&halves, w, sizeof halves);
  return {(Lanes)(halves << 16), (Lanes)(halves & 0xffff0000u)};
}

// What a row has for a line, in all lanes. Its last input may be without a second one.
inline Lanes met(const float* x, bool) { return spread(*x); }
inline Lanes met(const bf16* x, bool two) {
  Two both = word(x[0], {});
  if (two) std::memcpy(&both, x, sizeof both);
  return spread(both);
}

// Of a row and a panel.
struct Sums {
  Lanes first = {}, second = {};
};

// `sums` of `rows` rows x with one panel w. The first rows that meet a panel ask for what comes next.
template <int rows, bool first, class T, class P>
inline void add_up(const T* x, const P* w, int64_t inputs, Sums* sums) {
  Lanes firsts[rows] = {}, seconds[rows] = {};
  constexpr int bytes = A_LINE<P> * sizeof(P), every = std::max(1, 64 / bytes);
  const auto line = [&](int64_t i, bool two) {
    const Both both = unfold(w + i / INPUTS<P> * A_LINE<P>);
    UNROLLED for (int r = 0; r < rows; r++) {
      const Lanes one = met(x + r * inputs + i, two);
      firsts[r] = meet<Word<T>>(both.first, one, firsts[r]);
      seconds[r] = meet<Word<T>>(both.second, one, seconds[r]);
    }
  };
  int64_t i = 0;
  for (; i + INPUTS<P> <= inputs; i += INPUTS<P>) {
    if constexpr (first)
      if (i % every == 0)
        UNROLLED for (int byte = 0; byte < bytes; byte += 64)
          __builtin_prefetch(reinterpret_cast<const char*>(w + i / INPUTS<P> * A_LINE<P>) + rows::FAR + byte);
    line(i, true);
  }
  if (i < inputs) line(i, false);
  for (int r = 0; r < rows; r++) sums[r] = {firsts[r], seconds[r]};
}

template <int rows, class T, class P>
inline void add_up(int64_t count, bool first, const T* x, const P* w, int64_t inputs, Sums* sums) {
  if (count < rows) {
    if constexpr (rows > 1) add_up<rows - 1>(count, first, x, w, inputs, sums);
  } else if (first) {
    add_up<rows, true>(x, w, inputs, sums);
  } else {
    add_up<rows, false>(x, w, inputs, sums);
  }
}

// y (outputs `from` to `to` of a row) from its sums, bias and change.
template <class T>
inline void finish(const Sums& sums, const T* bias, const rows::Change<T>* change, T* y, int64_t from, int64_t to) {
  float found[PANEL];
  store(sums.first, found), store(sums.second, found + LANES);
  if (bias)
    for (int64_t o = from; o < to; o++) found[o - from] += widen(bias[o]);
  if (change && change->rank)
    for (int64_t o = from; o < to; o++) {
      Lanes sum = {};
      const float tail = change->add(o, sum);
      found[o - from] += tail + sum_of(sum);
    }
  if (to - from == PANEL)
    store(load(found), y + from), store(load(found + LANES), y + from + LANES);
  else
    for (int64_t o = from; o < to; o++) narrow(found[o - from], y[o]);
}

template <class T, class P>
void product(const T* x, const P* w, const T* bias, const rows::Change<T>* changes, T* y, int64_t tokens,
             int64_t inputs, int64_t outputs) {
  const int64_t panels = count_for(outputs), blocks = (tokens + BLOCK<T> - 1) / BLOCK<T>;
  over(blocks * panels, std::min(tokens, BLOCK<T>) * inputs * PANEL, [&](int64_t begin, int64_t end) {
    for (int64_t each = begin; each < end; each++) {
      const int64_t panel = each % panels, from = panel * PANEL, to = std::min(outputs, from + PANEL);
      const int64_t start = each / panels * tokens / blocks, stop = (each / panels + 1) * tokens / blocks;
      // Groups of like size: one row alone would take as long as four.
      const int64_t groups = (stop - start + ROWS - 1) / ROWS;
      for (int64_t group = 0, t = start; group < groups; group++) {
        const int64_t count = (stop - t + groups - group - 1) / (groups - group);
        Sums sums[ROWS];
        add_up<ROWS>(count, group == 0, x + t * inputs, w + panel * lines_of<P>(inputs) * A_LINE<P>, inputs, sums);
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

// Keeps a line, given the PANEL numbers of each of its inputs by their bits.
inline void fold(const uint32_t (*bits)[PANEL], Whole* place) { std::memcpy(place, bits[0], PANEL * sizeof *place); }
inline void fold(const uint32_t (*bits)[PANEL], Pair* place) {
  for (int lane = 0; lane < LANES; lane++)
    place[lane].bits = (bits[0][lane] >> 16) | (bits[0][LANES + lane] & 0xffff0000u);
}
inline void fold(const uint32_t (*bits)[PANEL], Two* place) {
  for (int lane = 0; lane < PANEL; lane++) place[lane].bits = (bits[0][lane] >> 16) | (bits[1][lane] & 0xffff0000u);
}

inline uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// The panels y of outputs by inputs, whose numbers, in T, lie `down` and `across` from each other.
template <class T, class P>
void fold(const Tensor& weight, int64_t outputs, int64_t inputs, int64_t down, int64_t across, Tensor& y) {
  const T* numbers = read<T>(weight);
  P* places = write<P>(y);
  const int64_t lines = lines_of<P>(inputs);
  over(count_for(outputs), PANEL * inputs, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t from = panel * PANEL, count = std::min<int64_t>(PANEL, outputs - from);
      for (int64_t line = 0; line < lines; line++) {
        uint32_t own[INPUTS<P>][PANEL] = {};
        for (int64_t i = line * INPUTS<P>; i < std::min(inputs, (line + 1) * INPUTS<P>); i++)
          for (int64_t o = 0; o < count; o++)
            own[i - line * INPUTS<P>][o] = bits_of(widen(numbers[(from + o) * down + i * across]));
        fold(own, places + (panel * lines + line) * A_LINE<P>);
      }
    }
  });
}

}  // namespace panels
}  // namespace
