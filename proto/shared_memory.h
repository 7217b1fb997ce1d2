// The layout of the memory that a client on the daemon's host shares with it, and how the two meet.
//
// Attaching. The client connects to the daemon's Unix socket, the one that serves gRPC, and sends
// an AttachRequest; with its first byte it passes (SCM_RIGHTS) one memfd that it made and sealed
// against shrinking, growing and further sealing. The daemon sends an AttachReply. The connection
// then stays open for as long as the memory is shared. Its only further use are doorbells: bytes
// without a meaning that wake the other side. The daemon closes it when it writes no more; a client
// that closes it, or dies, has detached.
//
// The region. [Control][Slot x slots][data], with the data at DataOffset(slots), page-aligned. The
// client hands out all memory in the data; the daemon takes offsets into it from the slots.
//
// A fetch. The client takes a free slot, fills in its Call, and pushes the slot's index on the ring
// `submitted`. The daemon fetches, writes the rows to where the call says, then the slot's Outcome,
// and pushes the index on the ring `completed`. Calls are the fetches of engram.v1, with the same
// checks and the same errors. A client that breaks the layout's rules is detached.
//
// Rings. A ring has room for the index of every slot, so that neither side can overrun the other.
// Its `count` counts pushes; push number n stands at entries[n % slots]. An entry is written before
// its count is released. A slot is used again only after its completion was taken.
//
// Doorbells. A side that has nothing to do sets its `asleep`, looks at the ring once more, and
// waits on the connection. Whoever pushes and then finds the other side asleep clears the flag and
// sends one byte. The accesses to `count` and `asleep` are sequentially consistent. The daemon
// counts in `awake` how often it has woken, so that a client can tell one that is slow from one
// that hangs.
#ifndef ENGRAM_PROTO_SHARED_MEMORY_H_
#define ENGRAM_PROTO_SHARED_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace engram::shm {

// Its first byte tells the connection of a client that attaches from one of gRPC, which begins with
// "PRI".
inline constexpr char kMagic[8] = {'E', 'N', 'G', 'R', 'A', 'M', 'S', 'M'};
inline constexpr uint32_t kVersion = 3;

inline constexpr uint32_t kMaxSlots = 128;
inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kMaxNameBytes = 800;  // 200 characters of UTF-8
inline constexpr size_t kMaxMessageBytes = 1000;

struct AttachRequest {
  char magic[8];
  uint32_t version;       // kVersion
  uint32_t slots;         // a power of two, at most kMaxSlots
  uint64_t region_bytes;  // the memfd's size, a multiple of kPageBytes
};

struct AttachReply {
  char magic[8];
  uint32_t code;           // a google.rpc.Code; 0: attached
  uint32_t message_bytes;  // of `message`, where code is not 0
  char message[kMaxMessageBytes];
};

struct Ring {
  alignas(64) std::atomic<uint32_t> count;
  alignas(64) std::atomic<uint32_t> asleep;  // 1: whoever takes from the ring wants a doorbell
  alignas(64) std::atomic<uint32_t> entries[kMaxSlots];
};

struct Control {
  Ring submitted;  // pushed to by the client
  Ring completed;  // pushed to by the daemon
  alignas(64) std::atomic<uint32_t> awake;
};

// Bits of Call.flags: the fields of engram.v1.FetchRequest of these names. A partial answer needs
// tiers; a prefetch has neither rows nor tiers.
inline constexpr uint32_t kPartial = 1;
inline constexpr uint32_t kBulk = 2;
inline constexpr uint32_t kPrefetch = 4;

// What is asked for: see engram.v1.FetchRequest. Offsets are from the region's start.
struct Call {
  uint64_t version;
  uint8_t digest[16];    // all zeroes for none
  uint64_t ids_offset;   // uint32_t [ids], aligned to 4
  uint64_t rows_offset;  // out: bytes [ids x row_bytes]
  uint64_t rows_bytes;
  uint64_t tiers_offset;  // out: bytes [ids / group_size], where tiers_bytes is not 0
  uint64_t tiers_bytes;
  uint64_t deadline_us;  // from now; 0: none
  uint64_t needed_us;    // as FetchRequest has it
  uint32_t flags;
  uint32_t ids;
  uint32_t name_bytes;
  char name[kMaxNameBytes];
};

// How it ended. Rows are there if `code` is 0.
struct Outcome {
  uint32_t code;  // a google.rpc.Code
  uint32_t message_bytes;
  char message[kMaxMessageBytes];
};

struct Slot {
  alignas(64) std::atomic<uint32_t> cancelled;  // not 0: the fetch is no longer wanted
  alignas(64) Call call;
  alignas(64) Outcome outcome;
};

static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(sizeof(Control) <= kPageBytes);

constexpr size_t SlotOffset(uint32_t slot) { return kPageBytes + slot * sizeof(Slot); }

constexpr size_t DataOffset(uint32_t slots) {
  return (SlotOffset(slots) + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace engram::shm

#endif  // ENGRAM_PROTO_SHARED_MEMORY_H_
