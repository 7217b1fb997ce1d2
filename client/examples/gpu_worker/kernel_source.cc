#include "client/examples/gpu_worker/kernels.h"

namespace engram::gpu_worker {

// NVRTC has no headers: bfloat16, E4M3 and E8M0 are taken apart by hand.
const char kKernelSource[] = R"cuda(
typedef unsigned char u8;
typedef unsigned short u16;  // bfloat16
typedef unsigned int u32;
typedef unsigned long long u64;

__device__ u64 Mix(u64 x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// Uniform in [-1, 1).
__device__ float Noise(u64 seed) { return (float)(int)(Mix(seed) >> 32) * 0x1p-31f; }

__device__ float FromBf16(u16 bits) { return __uint_as_float((u32)bits << 16); }

// To the nearest, ties to even. Not for NaN.
__device__ u16 ToBf16(float value) {
  const u32 bits = __float_as_uint(value);
  return (u16)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

__device__ float FromE4m3(u32 bits) {
  const u32 exponent = (bits >> 3) & 15;
  const u32 mantissa = bits & 7;
  float magnitude = __uint_as_float(((exponent + 120) << 23) | (mantissa << 20));
  if (exponent == 0) magnitude = (float)mantissa * 0x1p-9f;
  if ((bits & 0x7F) == 0x7F) magnitude = __uint_as_float(0x7FC00000);
  return bits & 0x80 ? -magnitude : magnitude;
}

__device__ float FromE8m0(u32 bits) {
  if (bits == 0) return 0x1p-127f;
  return __uint_as_float(bits == 255 ? 0x7FC00000 : bits << 23);
}

// The sum over the block, in thread 0. The block has 1,024 threads.
template <typename T>
__device__ T BlockSum(T value) {
  __shared__ T sums[32];
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(0xFFFFFFFF, value, step);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x >= 32) return value;
  value = sums[threadIdx.x];
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(0xFFFFFFFF, value, step);
  return value;
}

// weights[i]: noise of that amplitude.
extern "C" __global__ void fill(u16* weights, u64 count, u64 seed, float amplitude) {
  const u64 stride = (u64)gridDim.x * blockDim.x;
  for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) {
    weights[i] = ToBf16(Noise(seed + i) * amplitude);
  }
}

// hidden: [tokens x width], what the first layer sees of each token. A block for each token.
extern "C" __global__ void embed(const u32* tokens, u16* hidden, u32 width) {
  const u64 seed = (u64)tokens[blockIdx.x] << 32;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) {
    hidden[(u64)blockIdx.x * width + i] = ToBf16(Noise(seed + i));
  }
}

// out = in / rms(in), for each token by itself. A block of 1,024 threads for each.
extern "C" __global__ void rms_norm(const u16* in, u16* out, u32 width) {
  __shared__ float scale;
  const u64 first = (u64)blockIdx.x * width;
  float sum = 0;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) {
    const float value = FromBf16(in[first + i]);
    sum += value * value;
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) scale = rsqrtf(sum / width + 1e-6f);
  __syncthreads();
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) {
    out[first + i] = ToBf16(FromBf16(in[first + i]) * scale);
  }
}

// gate_up: [tokens x (width gates, width values)]; out: [tokens x width]. A thread for each value.
extern "C" __global__ void silu_multiply(const u16* gate_up, u16* out, u32 tokens, u32 width) {
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= tokens * width) return;
  const u64 at = (u64)(i / width) * 2 * width + i % width;
  const float gate = FromBf16(gate_up[at]);
  out[i] = ToBf16(gate / (1 + __expf(-gate)) * FromBf16(gate_up[at + width]));
}

// Adds the rows of each token to its hidden state, value j to element j mod width, and sums up a
// checksum of all of the rows' bytes, each 8 of them mixed with their place. A block of 1,024
// threads for each token.
//   rows: [tokens x rows_per_token x row_bytes], a row: `values` E4M3 values, then an E8M0 scale
//         for each `scale_block` of them
// A trained model's gate would weigh the rows. Here they may be noise, with infinities and NaN:
// each value is limited to [-1, 1] and NaN is 0, so that the layers behind see numbers.
extern "C" __global__ void inject_rows(const u8* rows, u32 rows_per_token, u32 row_bytes,
                                       u32 values, u32 scale_block, u16* hidden, u32 width,
                                       u64* checksum) {
  const u8* mine = rows + (u64)blockIdx.x * rows_per_token * row_bytes;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) {
    float sum = 0;
    for (u32 j = i; j < rows_per_token * values; j += width) {
      const u8* row = mine + j / values * row_bytes;
      const u32 k = j % values;
      const float value = FromE4m3(row[k]) * FromE8m0(row[values + k / scale_block]);
      sum += value > 1 ? 1 : value < -1 ? -1 : value == value ? value : 0;
    }
    u16* const state = hidden + (u64)blockIdx.x * width + i;
    *state = ToBf16(FromBf16(*state) + sum * 0.0625f);
  }
  const u32 words = rows_per_token * row_bytes / 8;
  u64 sum = 0;
  for (u32 i = threadIdx.x; i < words; i += blockDim.x) {
    const u64 place = (u64)blockIdx.x * words + i + 1;
    sum += Mix(((const u64*)mine)[i] + place * 0x9E3779B97F4A7C15ull);
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) atomicAdd(checksum, sum);
}

// tokens[t]: which element of token t's hidden state is the largest. A block of 1,024 threads for
// each token. The element's number is packed below an order-preserving image of its value.
extern "C" __global__ void sample(const u16* hidden, u32 width, u32* tokens) {
  __shared__ u64 best;
  if (threadIdx.x == 0) best = 0;
  __syncthreads();
  u64 mine = 0;
  for (u32 i = threadIdx.x; i < width; i += blockDim.x) {
    const u32 bits = __float_as_uint(FromBf16(hidden[(u64)blockIdx.x * width + i]));
    const u32 order = bits >> 31 ? ~bits : bits | 0x80000000u;
    const u64 candidate = (u64)order << 32 | i;
    mine = max(mine, candidate);
  }
  for (int step = 16; step > 0; step /= 2) {
    mine = max(mine, __shfl_down_sync(0xFFFFFFFF, mine, step));
  }
  if (threadIdx.x % 32 == 0) atomicMax(&best, mine);
  __syncthreads();
  if (threadIdx.x == 0) tokens[blockIdx.x] = (u32)best;
}
)cuda";

}  // namespace engram::gpu_worker
