// HOLD on ns-3's simulator core: PENDING events, each of which schedules itself again.
//
//     hold_ns3 SCHEDULER PENDING WARMUP HOLDS    prints ns per hold, checksum
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "ns3/nstime.h"
#include "ns3/object-factory.h"
#include "ns3/scheduler.h"
#include "ns3/simulator.h"

static std::vector<int64_t> increments(1 << 16);
static int64_t done, warmup, holds;
static uint64_t checksum;
static double start, seconds;

// Processor time, which a busy machine does not stretch as it does wall time.
static double now() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void hold(uint64_t payload) {
  if (done == warmup + holds) {
    seconds = now() - start;
    ns3::Simulator::Stop();
    return;
  }
  if (done == warmup) start = now();
  int64_t i = done < warmup ? done : done - warmup;
  done++;
  checksum = checksum * 31 + (uint64_t(ns3::Simulator::Now().GetTimeStep()) ^ payload);
  ns3::Simulator::Schedule(ns3::TimeStep(increments[i & 0xffff]), &hold, payload);
}

int main(int argc, char** argv) {
  if (argc != 5) return 1;
  int64_t pending = atoll(argv[2]);
  warmup = atoll(argv[3]);
  holds = atoll(argv[4]);
  ns3::ObjectFactory factory;
  factory.SetTypeId(argv[1]);
  ns3::Simulator::SetScheduler(factory);
  uint64_t state = 88172645463325252;
  for (auto& increment : increments) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    increment = int64_t(-std::log(double((state >> 11) + 1) * 0x1p-53) * 1e6);
  }
  for (int64_t i = 0; i < pending; i++)
    ns3::Simulator::Schedule(ns3::TimeStep(increments[i & 0xffff]), &hold, uint64_t(i));
  ns3::Simulator::Run();
  printf("%.17g %llu\n", seconds / holds * 1e9, (unsigned long long)checksum);
}
