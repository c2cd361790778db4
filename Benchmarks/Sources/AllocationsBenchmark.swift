import Engine
import Foundation

/// How often a queue in steady state asks for memory: the difference between the counts of a run
/// and of one with a million more holds. It must be zero, whatever the queue's size.
///
/// The counter is `malloc` itself, replaced by one that counts, in a process of its own: ours
/// started again with the counter preloaded.
@Sendable func allocationsBenchmark(quick: Bool) throws -> [BenchmarkRow] {
  guard let counter = dlsym(nil, "mallocCount") else {
    return try underCounter()
  }
  let count = counter.assumingMemoryBound(to: UInt.self)
  func mallocs(_ run: () -> Measurement) -> Double {
    let before = count.pointee
    _ = run()
    return Double(count.pointee - before)
  }
  var rows: [BenchmarkRow] = []
  for pending in [100, 10_000, 1_000_000] {
    let warmup = max(1_000_000, 4 * pending)
    let short = Hold(pending: pending, warmup: warmup, holds: 1)
    let long = Hold(pending: pending, warmup: warmup, holds: 1_000_001)
    // What the runtime looks up once it looks up now.
    _ = mallocs { short.measure(LadderQueue()) } + mallocs { short.measure(FourAryHeap()) }
    let ladder = mallocs { long.measure(LadderQueue()) } - mallocs { short.measure(LadderQueue()) }
    let heap = mallocs { long.measure(FourAryHeap()) } - mallocs { short.measure(FourAryHeap()) }
    for (name, mallocs) in [("LadderQueue", ladder), ("FourAryHeap", heap)] {
      rows.append(
        BenchmarkRow(
          "allocations \(pending), \(name)", [mallocs], unit: "mallocs",
          note: "in a million holds"))
    }
  }
  return rows
}

private func underCounter() throws -> [BenchmarkRow] {
  let compiler = ["gcc", "-O2", "-shared", "-fPIC"]
  guard
    Peer.build("the count", "count_mallocs.so", from: "count_mallocs.c", using: compiler) != nil
  else { return [] }
  let file = Peer.directory + "/allocations.json"
  try execute(
    ["/proc/\(getpid())/exe", "allocations", "--json", file],
    environment: ["LD_PRELOAD": Peer.directory + "/count_mallocs.so"])
  return try JSONDecoder().decode(
    [BenchmarkRow].self, from: Data(contentsOf: URL(fileURLWithPath: file)))
}
