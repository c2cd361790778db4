// An all-to-all exchange over leaves and a spine as plain flows of SimGrid: no latency, no factors of
// TCP, every route the list of the links that ours crosses.
//
//     all_to_all_simgrid RANKS RANKS_PER_LEAF PORT_BANDWIDTH UPLINK_BANDWIDTH SIZES
//
// SIZES is a file of RANKS x RANKS little-endian 32-bit byte counts, by source and then target.
// Prints the processor time of the run in seconds (the platform is built before), the time at which
// the last flow ended, and the sum over flows of the times at which they ended.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

namespace sg4 = simgrid::s4u;

static double now() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char** argv) {
  sg4::Engine engine(&argc, argv);
  if (argc != 6) return 1;
  const int ranks = atoi(argv[1]), perLeaf = atoi(argv[2]);
  const double port = atof(argv[3]), uplink = atof(argv[4]);
  std::vector<uint32_t> sizes(size_t(ranks) * ranks);
  FILE* file = fopen(argv[5], "rb");
  if (!file || fread(sizes.data(), 4, sizes.size(), file) != sizes.size()) return 1;
  fclose(file);

  engine.set_config("network/model:CM02");
  engine.set_config("network/latency-factor:1");
  engine.set_config("network/bandwidth-factor:1");
  engine.set_config("network/weight-S:0");
  engine.set_config("network/TCP-gamma:0");
  engine.set_config("network/crosstraffic:0");
  engine.set_config("network/loopback-lat:0");

  auto* zone = sg4::create_full_zone("network");
  std::vector<sg4::Host*> hosts;
  std::vector<sg4::Link*> out, in, up, down;
  auto link = [&](const char* kind, int index, double bandwidth) {
    return zone->create_link(kind + std::to_string(index), bandwidth)->set_latency(0)->seal();
  };
  for (int rank = 0; rank < ranks; rank++) {
    hosts.push_back(zone->create_host("rank" + std::to_string(rank), 1e9)->seal());
    out.push_back(link("out", rank, port));
    in.push_back(link("in", rank, port));
  }
  for (int leaf = 0; leaf < ranks / perLeaf; leaf++) {
    up.push_back(link("up", leaf, uplink));
    down.push_back(link("down", leaf, uplink));
  }
  for (int source = 0; source < ranks; source++)
    for (int target = 0; target < ranks; target++) {
      if (source == target) continue;
      std::vector<sg4::LinkInRoute> route{sg4::LinkInRoute(out[source])};
      if (source / perLeaf != target / perLeaf) {
        route.emplace_back(up[source / perLeaf]);
        route.emplace_back(down[target / perLeaf]);
      }
      route.emplace_back(in[target]);
      zone->add_route(hosts[source]->get_netpoint(), hosts[target]->get_netpoint(), nullptr,
                      nullptr, route, false);
    }
  zone->seal();

  // Through mailboxes, with an actor for each end: sendto() keeps all flows in one list, which costs
  // ten times as much.
  std::vector<std::vector<sg4::CommPtr>> flows(ranks);
  auto box = [](int source, int target) {
    return sg4::Mailbox::by_name(std::to_string(source) + "-" + std::to_string(target));
  };
  for (int source = 0; source < ranks; source++) {
    sg4::Actor::create("sender" + std::to_string(source), hosts[source], [&, source] {
      for (int target = 0; target < ranks; target++)
        if (source != target)
          flows[source].push_back(box(source, target)->put_async(
              &sizes[0], sizes[size_t(source) * ranks + target]));
      sg4::Comm::wait_all(flows[source]);
    });
    const int target = source;
    sg4::Actor::create("receiver" + std::to_string(target), hosts[target], [&, target] {
      std::vector<sg4::CommPtr> got;
      std::vector<void*> data(ranks);
      for (int source = 0; source < ranks; source++)
        if (source != target)
          got.push_back(box(source, target)->get_async<void>(&data[source]));
      sg4::Comm::wait_all(got);
    });
  }
  const double start = now();
  engine.run();
  const double elapsed = now() - start;
  double last = 0, sum = 0;
  for (auto& own : flows)
    for (auto& flow : own) {
      last = std::max(last, flow->get_finish_time());
      sum += flow->get_finish_time();
    }
  printf("%.17g %.17g %.17g\n", elapsed, last, sum);
}
