// An all-to-all exchange over leaves and a spine as plain flows of SimGrid: no latency, no factors of
// TCP, every route the list of the links that ours crosses.
//
//     all_to_all_simgrid RANKS RANKS_PER_LEAF PORT_BANDWIDTH UPLINK_BANDWIDTH SIZES
//
// SIZES is a file of RANKS x RANKS little-endian 32-bit byte counts, by source and then target.
// Prints the processor time of the run in seconds (the platform is built before), the time at which
// the last flow ended, and the sum over flows of the times at which they ended.
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

  double last = 0, sum = 0;
  sg4::Actor::create("exchange", hosts[0], [&] {
    std::vector<sg4::CommPtr> flows;
    for (int source = 0; source < ranks; source++)
      for (int target = 0; target < ranks; target++)
        if (source != target)
          flows.push_back(sg4::Comm::sendto_async(hosts[source], hosts[target],
                                                  sizes[size_t(source) * ranks + target]));
    sg4::Comm::wait_all(flows);
    for (auto& flow : flows) {
      last = std::max(last, flow->get_finish_time());
      sum += flow->get_finish_time();
    }
  });
  const double start = now();
  engine.run();
  printf("%.17g %.17g %.17g\n", now() - start, last, sum);
}
