#include "server/metrics/process_stats.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace strata {
namespace {

double Seconds(const timeval& time) { return time.tv_sec + time.tv_usec * 1e-6; }

// Entries of a folder but "." and "..".
int64_t CountEntries(const char* path) {
  DIR* const dir = opendir(path);
  if (dir == nullptr) return 0;
  int64_t entries = 0;
  while (const dirent* entry = readdir(dir)) entries += entry->d_name[0] != '.';
  closedir(dir);
  return entries;
}

}  // namespace

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  int64_t total_pages = 0, resident_pages = 0;
  std::ifstream statm("/proc/self/statm");
  if (statm >> total_pages >> resident_pages) {
    stats.resident_bytes = resident_pages * sysconf(_SC_PAGESIZE);
  }
  stats.open_files = CountEntries("/proc/self/fd");
  stats.threads = CountEntries("/proc/self/task");
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  }
  return stats;
}

}  // namespace strata
