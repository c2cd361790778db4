// HOLD and PHOLD on std::priority_queue, the events being the same plain 24-byte values in the same
// order as ours, so that the checksums agree.
//
//     hold PENDING WARMUP HOLDS    prints ns per hold, checksum
//     hold phold EVENTS            prints events/s, checksum
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <queue>
#include <vector>

struct Event {
  int64_t time;
  uint64_t rank;
  uint64_t payload;
};

struct Later {
  bool operator()(const Event& a, const Event& b) const {
    return a.time != b.time ? a.time > b.time : a.rank > b.rank;
  }
};

using Queue = std::priority_queue<Event, std::vector<Event>, Later>;

// Processor time, which a busy machine does not stretch as it does wall time.
static double now() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint64_t xorshift(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static int64_t exponential(uint64_t& state) {
  return int64_t(-std::log(double((xorshift(state) >> 11) + 1) * 0x1p-53) * 1e6);
}

static void hold(int64_t pending, int64_t warmup, int64_t holds) {
  std::vector<int64_t> increments(1 << 16);
  uint64_t state = 88172645463325252, checksum = 0, sequence = 0;
  for (auto& increment : increments) increment = exponential(state);
  Queue queue;
  for (int64_t i = 0; i < pending; i++)
    queue.push({increments[i & 0xffff], sequence++, uint64_t(i)});
  auto run = [&](int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      Event event = queue.top();
      queue.pop();
      checksum = checksum * 31 + (uint64_t(event.time) ^ event.payload);
      queue.push({event.time + increments[i & 0xffff], sequence++, event.payload});
    }
  };
  run(warmup);
  double start = now();
  run(holds);
  printf("%.17g %llu\n", (now() - start) / holds * 1e9, (unsigned long long)checksum);
}

static void phold(int64_t events) {
  const uint64_t processes = 1024, messages = 16;
  const int64_t lookahead = 100000;
  std::vector<uint64_t> states(processes);
  Queue queue;
  uint64_t sequence = 0, checksum = 0;
  for (uint64_t p = 0; p < processes; p++) states[p] = (p + 1) * 0x9e3779b97f4a7c15;
  for (uint64_t p = 0; p < processes; p++)
    for (uint64_t m = 0; m < messages; m++)
      queue.push({lookahead + exponential(states[p]), sequence++, p});
  auto run = [&](int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      Event event = queue.top();
      queue.pop();
      uint64_t& state = states[event.payload];
      checksum = checksum * 31 + (uint64_t(event.time) ^ event.payload);
      int64_t delay = lookahead + exponential(state);
      queue.push({event.time + delay, sequence++, state % processes});
    }
  };
  run(processes * messages * 4);
  double start = now();
  run(events);
  printf("%.17g %llu\n", events / (now() - start), (unsigned long long)checksum);
}

int main(int argc, char** argv) {
  if (argc == 3 && !strcmp(argv[1], "phold")) {
    phold(atoll(argv[2]));
  } else if (argc == 4) {
    hold(atoll(argv[1]), atoll(argv[2]), atoll(argv[3]));
  } else {
    return 1;
  }
}
