// Vectors of as many numbers as the processor's registers hold, and numbers in bfloat16: what all kernels are written
// in. Sums are float32. Compilers take wider vectors too, but turn what compares and selects in them into single numbers.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#define HAS_BF16_DOTS 1
#endif

// Before a short loop over registers: rolled up, even in part, compilers keep in memory what it sums.
#define UNROLLED _Pragma("GCC unroll 16")

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif
constexpr int64_t GRAIN = 1 << 14;  // numbers read below which a second thread costs more than it saves

typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4)));
typedef float Quad __attribute__((vector_size(16)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES), aligned(2)));

struct bf16 {
  uint16_t bits;
};

inline float widen(float x) { return x; }
inline float widen(bf16 x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float y;
  std::memcpy(&y, &bits, sizeof y);
  return y;
}

inline void narrow(float x, float& y) { y = x; }
inline void narrow(float x, bf16& y) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  // To the nearest, ties to even; what is no number stays none.
  y.bits = x == x ? (bits + 0x7fff + ((bits >> 16) & 1)) >> 16 : 0x7fc0;
}

inline Lanes all(float x) { return x - Lanes{}; }  // and not a sum, which would turn -0 into 0 and thus be computed

inline Lanes load(const float* p) { return *reinterpret_cast<const Lanes*>(p); }
inline Lanes load(const bf16* p) {
  const Words words = __builtin_convertvector(*reinterpret_cast<const Halves*>(p), Words) << 16;
  return (Lanes)words;
}

inline void store(Lanes x, float* p) { *reinterpret_cast<Lanes*>(p) = x; }
inline void store(Lanes x, bf16* p) {
  const Words bits = (Words)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words words = x == x ? rounded : Words{} + 0x7fc0;
  *reinterpret_cast<Halves*>(p) = __builtin_convertvector(words, Halves);
}

typedef float Octet __attribute__((vector_size(32)));
inline Quad quarters(Quad x) { return x; }
inline Quad quarters(Octet x) {
  return __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
}
#if defined(__AVX512F__)
inline Quad quarters(Lanes x) {
  return quarters(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                  __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
}
#endif

// a b + c, rounded once where the processor can. Said outright: what a compiler makes of a product and a sum differs from
// place to place, and with it a row's last bit.
#if defined(__FMA__) || defined(__aarch64__)
inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
inline float fused(float a, float b, float c) { return a * b + c; }
#endif
#if defined(__AVX512F__)
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return (Lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#elif defined(__FMA__)
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return (Lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#elif defined(__aarch64__)
inline Lanes fused(Lanes a, Lanes b, Lanes c) {
  for (int lane = 0; lane < LANES; lane++) c[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return c;
}
#else
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return a * b + c; }
#endif

// What a lane multiplies at a time: a number of float32, or two neighbours in bfloat16, the lower one first, whose products
// are both added.
struct Two {
  uint32_t bits;
};
template <class T>
using Word = std::conditional_t<std::is_same_v<T, bf16>, Two, T>;
template <class W>
constexpr int NUMBERS = std::is_same_v<W, Two> ? 2 : 1;  // in a word

inline float word(float x, float) { return x; }
inline Two word(bf16 low, bf16 high) { return {low.bits | uint32_t(high.bits) << 16}; }

// A word in each lane.
inline Lanes words(const float* w) { return load(w); }
inline Lanes words(const Two* w) {
  Lanes found;
  std::memcpy(&found, w, sizeof found);
  return found;
}
// One word in all lanes.
inline Lanes spread(float x) { return all(x); }
inline Lanes spread(Two x) { return (Lanes)(x.bits - Words{}); }

// The products of two words, and a sum.
template <class W>
inline Lanes meet(Lanes a, Lanes b, Lanes sum) {
  if constexpr (NUMBERS<W> == 1) {
    return fused(a, b, sum);
  } else {
#ifdef HAS_BF16_DOTS
    return (Lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    const Words as = (Words)a, bs = (Words)b;
    sum = fused((Lanes)(as << 16), (Lanes)(bs << 16), sum);
    return fused((Lanes)(as & 0xffff0000u), (Lanes)(bs & 0xffff0000u), sum);
#endif
  }
}

// The sums over the lanes of four vectors.
inline Quad totals(Lanes a, Lanes b, Lanes c, Lanes d) {
  const Quad qa = quarters(a), qb = quarters(b), qc = quarters(c), qd = quarters(d);
  const Quad ab = __builtin_shufflevector(qa, qb, 0, 4, 1, 5) + __builtin_shufflevector(qa, qb, 2, 6, 3, 7);
  const Quad cd = __builtin_shufflevector(qc, qd, 0, 4, 1, 5) + __builtin_shufflevector(qc, qd, 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

// `step_of` numbers of both sides are multiplied and added at a time.
#ifdef HAS_BF16_DOTS
inline int step_of(const bf16*) { return 2 * LANES; }
inline Lanes multiply_add(const bf16* a, const bf16* b, Lanes sum) {
  return (Lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_loadu_si512(a), (__m512bh)_mm512_loadu_si512(b));
}
#else
inline int step_of(const bf16*) { return LANES; }
inline Lanes multiply_add(const bf16* a, const bf16* b, Lanes sum) { return fused(load(a), load(b), sum); }
#endif
inline int step_of(const float*) { return LANES; }
template <class W>
inline Lanes multiply_add(const float* a, const W* b, Lanes sum) {
  return fused(load(a), load(b), sum);
}

// What the whole steps of a product leave over.
template <class T, class W>
inline float rest(const T* x, const W* w, int64_t size) {
  float sum = 0;
  for (int64_t i = size - size % step_of(x); i < size; i++) sum = fused(widen(x[i]), widen(w[i]), sum);
  return sum;
}

// e to the power of x <= 0, to within three units in the last place.
inline Lanes exponential(Lanes x) {
  const Lanes lowest = all(-87.0f);
  x = x < lowest ? lowest : x;  // what is no number stays none
  const Lanes shifted = fused(x, all(1.442695041f), all(12582912.0f));  // 1.5 * 2^23 moves whole numbers into the lowest bits
  const Lanes whole = shifted - 12582912.0f;
  const Lanes r = fused(whole, all(2.12194440e-4f), fused(whole, all(-0.693359375f), x));
  Lanes y = all(1 / 720.0f);
  for (const float factor : {1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f, 1.0f, 1.0f}) y = fused(y, r, all(factor));
  const Words power = ((Words)shifted << 23) + (Words)all(1.0f);
  return y * (Lanes)power;
}

// The lanes before `count`; 0 in the others.
inline Lanes before(int64_t count, Lanes x) {
  static constexpr float NUMBERS[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load(NUMBERS) < all(float(count)) ? x : Lanes{};
}

// Softmax of `count` scores, in place; room for whole vectors.
inline void softmax(float* scores, int64_t count) {
  const int64_t room = (count + LANES - 1) / LANES * LANES;
  std::fill(scores + count, scores + room, -INFINITY);
  Lanes most = all(-INFINITY);
  for (int64_t j = 0; j < room; j += LANES) {
    const Lanes x = load(scores + j);
    most = x > most ? x : most;
  }
  float highest = most[0];
  for (int lane = 1; lane < LANES; lane++) highest = std::max(highest, most[lane]);
  Lanes sum = {};
  for (int64_t j = 0; j < room; j += LANES) {
    // Room that is not used must weigh nothing at all.
    const Lanes weights = before(count - j, exponential(load(scores + j) - highest));
    store(weights, scores + j);
    sum += weights;
  }
  const float scale = 1 / totals(sum, sum, sum, sum)[0];
  for (int64_t j = 0; j < room; j += LANES) store(load(scores + j) * scale, scores + j);
}

}  // namespace
