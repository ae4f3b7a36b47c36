// What the operators of a pass share: how tensors are read, how work is shared among threads, and small products.

#pragma once

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "lanes.h"

using torch::stable::Tensor;

namespace {

inline int64_t whole(int64_t size) { return (size + LANES - 1) / LANES * LANES; }
inline float sum_of(Lanes x) { return totals(x, x, x, x)[0]; }

template <class T>
const T* read(const Tensor& x) {
  return static_cast<const T*>(x.data_ptr());
}

template <class T>
T* write(Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

inline bool is_float(const Tensor& x) { return x.scalar_type() == torch::headeronly::ScalarType::Float; }

inline std::vector<int64_t> shape_of(const Tensor& x) { return {x.sizes().begin(), x.sizes().end()}; }

template <class Work>
void over(int64_t count, int64_t each, const Work& work) {
  torch::stable::parallel_for(0, count, std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, each)), work);
}

// Calls `vectors` with the place of each whole vector, and `numbers` with that of each number left over.
template <class Vectors, class Numbers>
inline void along(int64_t size, const Vectors& vectors, const Numbers& numbers) {
  int64_t i = 0;
  for (; i + LANES <= size; i += LANES) vectors(i);
  for (; i < size; i++) numbers(i);
}

constexpr int WIDE = REGISTERS / 8;
constexpr int tall_for(int lanes) { return lanes == 1 ? REGISTERS / 2 - 4 : 6; }  // whose sums leave a few registers free

// c (rows, `lanes` vectors each) += a (rows, depth) b (depth, `lanes` vectors each), in words; a is read at any strides.
template <int tall, int lanes, class W>
inline void tile(const W* a, int64_t down, int64_t across, const W* b, int64_t b_row, float* c, int64_t c_row,
                 int64_t depth) {
  Lanes sums[tall][lanes];
  UNROLLED for (int t = 0; t < tall; t++)
    UNROLLED for (int n = 0; n < lanes; n++) sums[t][n] = load(c + t * c_row + n * LANES);
  for (int64_t l = 0; l < depth; l++) {
    Lanes bs[lanes];
    UNROLLED for (int n = 0; n < lanes; n++) bs[n] = words(b + l * b_row + n * LANES);
    UNROLLED for (int t = 0; t < tall; t++) {
      const Lanes left = spread(a[t * down + l * across]);
      UNROLLED for (int n = 0; n < lanes; n++) sums[t][n] = meet<W>(left, bs[n], sums[t][n]);
    }
  }
  UNROLLED for (int t = 0; t < tall; t++)
    UNROLLED for (int n = 0; n < lanes; n++) store(sums[t][n], c + t * c_row + n * LANES);
}

template <int lanes, class W>
inline void tiles(const W* a, int64_t down, int64_t across, const W* b, int64_t b_row, float* c, int64_t c_row,
                  int64_t rows, int64_t depth) {
  constexpr int tall = tall_for(lanes);
  int64_t t = 0;
  for (; t + tall <= rows; t += tall) tile<tall, lanes>(a + t * down, down, across, b, b_row, c + t * c_row, c_row, depth);
  for (; t + 2 <= rows; t += 2) tile<2, lanes>(a + t * down, down, across, b, b_row, c + t * c_row, c_row, depth);
  for (; t < rows; t++) tile<1, lanes>(a + t * down, down, across, b, b_row, c + t * c_row, c_row, depth);
}

// c (rows, columns) += a (rows, depth) b (depth, columns), in words; a is read at any strides, columns are whole vectors.
template <class W>
inline void multiply(const W* a, int64_t down, int64_t across, const W* b, int64_t b_row, float* c, int64_t c_row,
                     int64_t rows, int64_t columns, int64_t depth) {
  int64_t n = 0;
  for (; n + WIDE * LANES <= columns; n += WIDE * LANES)
    tiles<WIDE>(a, down, across, b + n, b_row, c + n, c_row, rows, depth);
  for (; n < columns; n += LANES) tiles<1>(a, down, across, b + n, b_row, c + n, c_row, rows, depth);
}

// x (rows, columns) -> (columns, stride)
inline void transpose(const float* x, int64_t rows, int64_t columns, int64_t row_stride, float* out, int64_t stride) {
  for (int64_t i = 0; i < rows; i += LANES)
    for (int64_t c = 0; c < columns; c++)
      for (int64_t r = i; r < std::min(rows, i + LANES); r++) out[c * stride + r] = x[r * row_stride + c];
}

}  // namespace
