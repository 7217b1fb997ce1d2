// Numbers for people. Units are decimal: 1 GB is 1,000,000,000 bytes.
#ifndef ENGRAM_CLIENT_CTL_UNITS_H_
#define ENGRAM_CLIENT_CTL_UNITS_H_

#include <cstdint>
#include <string>

namespace engram::ctl {

// "384,006,168"
std::string FormatCount(uint64_t count);

// "264 B", "1.05 GB", "101 GB": three digits.
std::string FormatBytes(double bytes);

// "2.87 GB/s"
std::string FormatRate(double bytes_per_second);

// "4 s", "3 min 20 s", "5 h 12 min", "3 d 7 h"
std::string FormatWholeSeconds(uint64_t seconds);

// As FormatWholeSeconds, but "0.42 s" below ten seconds.
std::string FormatSeconds(double seconds);

// "85 us", "1.25 ms", "2.10 s"
std::string FormatLatency(double microseconds);

// "97.3 %"; "-" where there is no whole.
std::string FormatShare(uint64_t part, uint64_t whole);

// "2026-03-01 14:07", in local time.
std::string FormatUnixTime(int64_t seconds);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_UNITS_H_
