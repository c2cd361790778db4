import Foundation
import Testing

@Suite("switchyard place")
struct PlacementCommandTests {
  let bench: Workbench

  init() throws {
    bench = try Workbench()
    try bench.scenario()
  }

  @Test("A search beats where experts live and EPLB, and nothing beats the bound")
  func search() throws {
    let placed = try bench.place("--trials", "2000")
    let eplb = try #require(placed.eplb)
    let bound = try #require(placed.bound)
    #expect(placed.found.profiled.costSeconds < placed.current.profiled.costSeconds)
    #expect(placed.found.profiled.costSeconds < eplb.profiled.costSeconds)
    #expect(bound.seconds < placed.found.profiled.costSeconds)
    #expect(
      abs(placed.found.profiled.costSeconds / bound.seconds - 1 - bound.gap) < 1e-12)
    #expect(placed.movedCopies > 0)
    #expect(placed.found.unseen != nil)
  }

  @Test("A placement that EPLB would have beaten on requests that neither saw is said to be")
  func worseThanEPLB() throws {
    let drawn = try bench.place("--method", "random", "--no-bound")
    let (excess, eplb) = try (#require(drawn.overEPLB), #require(drawn.eplb?.unseen))
    let found = try #require(drawn.found.unseen)
    #expect(excess.isOfUnseen)
    #expect(excess.cost == found.costSeconds / eplb.costSeconds - 1)
    #expect(excess.meanImbalance == found.meanImbalance / eplb.meanImbalance - 1)
    #expect(excess.cost > 0 && excess.meanImbalance > 0.02)
    let note = try #require(drawn.notes.first { $0.contains("EPLB") })
    #expect(
      note.hasPrefix(
        "on requests that were not profiled this is worse than EPLB's placement by the same profile, "
          + "by "))
    #expect(
      note.hasSuffix(" % in load balance (work, most / mean)") && note.contains("in cost and by"))
    // By the same copies; where all is profiled there are no others.
    let copies = try bench.place(
      "--method", "round-robin", "--replicas", "32", "--profile-split", "1", "--no-bound")
    #expect(copies.overEPLB?.isOfUnseen == false)
    #expect(copies.notes.contains { $0.hasPrefix("this is worse than EPLB's placement") })
    // One that is better is not complained of, and EPLB not compared with itself.
    let searched = try bench.place("--trials", "2000", "--no-bound")
    #expect(try #require(searched.overEPLB).cost < 0)
    #expect(!searched.notes.contains { $0.contains("EPLB's") && $0.contains("in cost") })
    #expect(try bench.place("--method", "eplb", "--no-bound").overEPLB == nil)
  }

  @Test("The same number of trials is the same placement, whatever the threads")
  func threads() throws {
    var files: [Data] = []
    for threads in ["1", "3"] {
      try bench.output(
        of: "place", "scenario.yaml", "--trials", "2000", "--chains", "3", "--no-bound",
        "--threads", threads, "--out", "\(threads).yaml")
      files.append(try bench.bytes("\(threads).yaml"))
    }
    #expect(files[0] == files[1])
    // What it wrote runs, and is what is then there.
    try bench.output(
      of: "run", "scenario.yaml", "--set", "policies.placement=file:1.yaml")
    let again = try bench.output(
      of: "place", "scenario.yaml", "--trials", "0", "--no-bound", "--profile-split", "1", "--set",
      "policies.placement=file:1.yaml")
    #expect(again.contains("no trials: this is the best of quick starts"))
  }

  @Test("Where experts live now stays there to compare with where copies are asked for")
  func currentWithoutCopies() throws {
    let plain = try bench.place("--method", "eplb", "--no-bound")
    let copied = try bench.place("--method", "eplb", "--no-bound", "--replicas", "32")
    #expect(copied.currentCopies == 64 && copied.copies == 96)
    let (now, then) = (plain.current.profiled, copied.current.profiled)
    #expect(then.costSeconds == now.costSeconds && then.meanImbalance == now.meanImbalance)
    #expect(copied.current.unseen != nil)
    // Each of 8 layers gets 32 copies that are nowhere now.
    #expect(copied.movedCopies >= 8 * 32)
    // And the other way: copies that are there now cost their weights where none are asked for.
    let own =
      ["--method", "eplb", "--no-bound", "--set"] + [
        "policies.placement={kind: round-robin, redundant: 64}"
      ]
    let (kept, dropped) = try (bench.place(own), bench.place(own + ["--replicas", "0"]))
    #expect(dropped.copies == 64 && dropped.currentCopies == 128)
    #expect(dropped.current.profiled.costSeconds == kept.current.profiled.costSeconds)
    #expect(dropped.current.unseen?.costSeconds == kept.current.unseen?.costSeconds)
    let text = try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--no-bound", "--replicas", "32")
    #expect(
      text.contains("  unseen: now  ") && text.contains("now there is one copy of each expert"))
  }

  @Test("Every device holds its copies, and none more than the fullest")
  func memoryOfDevices() throws {
    // Three copies more in each layer than divide over the devices.
    let placed = try bench.place("--method", "eplb", "--replicas", "3", "--no-bound")
    let held = placed.devicePorts.map(\.memoryBytes)
    #expect(held.max() == placed.memoryBytesPerDevice)
    let alone = try bench.place("--method", "contiguous", "--no-bound")
    let same = alone.devicePorts.map(\.memoryBytes)
    #expect(Set(same).count == 1 && Set(held).count > 1)
    // What is more is the copies.
    let more = held.reduce(0, +) - same.reduce(0, +)
    let copies = Double(placed.copies - alone.copies)
    #expect(copies == 3 && more > 0)
    #expect((held.min() ?? 0) >= (same.first ?? .infinity))
  }

  @Test("What --export writes knows of no layers that may not move")
  func exportOfAll() throws {
    let outcome = try bench.run([
      "place", "scenario.yaml", "--traffic", "transition", "--move-layers", "1", "--export",
      "x.mps",
    ])
    #expect(outcome.exitCode == 2)
    #expect(outcome.errors.contains("--move-layers has no effect on --export"))
  }

  @Test("A share is a number or in per cent")
  func profileSplit() throws {
    let quarter = try bench.place("--method", "eplb", "--no-bound", "--profile-split", "0.25")
    for written in ["25%", "25 %", "25.0%"] {
      let placed = try bench.place("--method", "eplb", "--no-bound", "--profile-split", written)
      #expect(placed.profiledRequests == quarter.profiledRequests)
      #expect(placed.found.profiled.costSeconds == quarter.found.profiled.costSeconds)
    }
    for wrong in ["0", "0%", "1.5", "101%", "half", "%", "-50%", "nan"] {
      #expect(
        try bench.usageError("place", "scenario.yaml", "--profile-split=\(wrong)").contains(
          "--profile-split is '\(wrong)'; write a share above 0, up to 1, like 0.5 or 50%"))
    }
  }

  @Test("Exact placement ends with the time, and says so; without one it is proven")
  func exactInTime() throws {
    try bench.smallPlacementScenario()
    func placed(_ time: String...) throws -> Placed {
      try Placed(
        bench.output(of: ["place", "scenario.yaml", "--method", "exact", "--json"] + time))
    }
    let proven = try placed()
    #expect(proven.isOptimal && proven.bound?.gap == 0)
    #expect(
      try placed("--time", "1000s").found.profiled.costSeconds == proven.found.profiled.costSeconds)
    let stopped = try placed("--time", "0s")
    #expect(!stopped.isOptimal)
    let bound = try #require(stopped.bound)
    let least = proven.found.profiled.costSeconds
    #expect(bound.seconds <= least * (1 + 1e-12) && stopped.found.profiled.costSeconds >= least)
    let note =
      "the time was over after 0 of 32 layers: this is the best found, not proven to be the best"
    #expect(stopped.notes.contains { $0.hasPrefix(note) })
    #expect(
      try bench.usageError("place", "scenario.yaml", "--method", "exact", "--trials", "5")
        .contains("--trials has no effect on method exact"))
  }

  @Test("Only experts of the layers that may move do")
  func movedLayers() throws {
    let all = try bench.place("--trials", "1000", "--no-bound")
    let one = try bench.place(
      "--trials", "1000", "--no-bound", "--move-layers", "2", "--out", "one.yaml")
    #expect(one.movedCopies > 0 && one.movedCopies < all.movedCopies)
    try bench.output(
      of: "place", "scenario.yaml", "--method", "contiguous", "--no-bound", "--out", "now.yaml")
    let (moved, now) = try (bench.placementRows("one.yaml"), bench.placementRows("now.yaml"))
    #expect(moved.count == 8)
    #expect(moved.indices.filter { moved[$0] != now[$0] } == [2])
    #expect(one.found.profiled.costSeconds < one.current.profiled.costSeconds)
    #expect(all.found.profiled.costSeconds < one.found.profiled.costSeconds)
  }

  /// The solver says when it begins, and that it has outlived the program if it gets so far. The signal is
  /// the one that lets nobody do anything any more; others a test's child may not even get.
  @Test("A solver is gone when the program is, were it killed")
  func solverDoesNotOutlive() throws {
    let words = bench.file(".words")
    try #require(mkfifo(words, 0o600) == 0)
    let script = """
      #!/bin/sh
      exec 9>'\(words)'
      sleep 120 9>&- &
      printf '%8d' $! >&9
      wait
      echo outlived the program >&9
      """
    // Written by another process: one that a test beside this forks would have it open, and nobody could
    // run it.
    try bench.write(script, to: "script")
    let copy = try Process.run(
      URL(fileURLWithPath: "/bin/sh"),
      arguments: [
        "-c", "cat \"$0/script\" > \"$0/cbc\" && chmod +x \"$0/cbc\"", bench.folder,
      ])
    copy.waitUntilExit()
    // The program has the fifo open as well, so that nothing waits here for words that never come.
    let reading = open(words, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    let writing = open(words, O_WRONLY | O_CLOEXEC)
    try #require(reading >= 0 && writing >= 0 && fcntl(reading, F_SETFL, 0) == 0)
    let heard = FileHandle(fileDescriptor: reading, closeOnDealloc: true)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Workbench.program))
    process.arguments = [
      "place", bench.file("scenario.yaml"), "--method", "moetuner", "--traffic", "transition",
      "--objective", "bottleneck", "--time", "1000s", "--no-bound",
    ]
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = bench.folder + ":/usr/bin:/bin"
    environment["TMPDIR"] = bench.folder
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle(fileDescriptor: writing)
    try process.run()
    close(writing)
    // Waits for the solver, and then for the end of both.
    let number = String(decoding: heard.readData(ofLength: 8), as: UTF8.self)
    let sleeper = try #require(
      Int32(number.trimmingCharacters(in: .whitespaces)), "\(number)")
    kill(process.processIdentifier, SIGKILL)
    #expect(heard.readDataToEndOfFile() == Data())
    // It has what tells the test's own process of the end of its child.
    kill(sleeper, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
  }

  @Test("MoETuner's second program takes as long whatever its placement is judged by")
  func moetunerPairs() throws {
    func note(_ objective: String) throws -> String? {
      // The first program's solver does not get far; the second needs none on one node.
      try bench.place(
        "--method", "moetuner", "--traffic", "transition", "--objective", objective, "--time",
        "50ms",
        "--no-bound"
      ).notes.first { $0.contains("second program") }
    }
    let sum = try #require(try note("sum"))
    #expect(sum.contains("optimal by matching"))
    #expect(try sum == note("bottleneck"))
  }

  @Test("The same trials say the same on standard output, and how long they took elsewhere")
  func sameOutput() throws {
    try bench.smallPlacementScenario()
    for options in [[], ["--json"]] {
      let (first, second) = try (
        bench.run(["place", "scenario.yaml", "--trials", "300", "--no-bound"] + options),
        bench.run(["place", "scenario.yaml", "--trials", "300", "--no-bound"] + options)
      )
      #expect(first.output == second.output && !first.output.isEmpty)
      #expect(first.errors.hasPrefix("found in "))
    }
    // One round is the least that is done, and it is done whole, however late it is then.
    let late = try bench.place("--time", "1ms", "--no-bound")
    #expect(late.notes.contains("--trials 524288 gives the same placement on every machine"))
    #expect(!late.notes.contains { $0.hasPrefix("the time was over") })
  }

  @Test("What pins leave no way for is named with the scenario's line")
  func pinsWithoutWay() throws {
    try bench.smallPlacementScenario()
    let pins = (0..<3).map { "{layer: 7, expert: \($0), device: 1}" }.joined(separator: ", ")
    let setting = "policies.placement={kind: search, trials: 0, pinned: [\(pins)]}"
    let refusal = try bench.refusal("place", "scenario.yaml", "--set", setting)
    #expect(
      refusal.hasPrefix("--set policies.placement=")
        && refusal.hasSuffix(
          ":1:36: experts 0, 1 and 2 of layer 7 cannot all be placed: pinned and forbidden places leave them "
            + "group 1 with 2 slots")
    )
  }

  @Test("MPS of MoETuner's first program has a row for every expert of every layer")
  func export() throws {
    try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--no-bound", "--export", "first.mps",
      "--export-form", "balance")
    let text = try bench.text(bench.file("first.mps"))
    #expect(text.hasPrefix("* one unit of cost is "))
    #expect(text.hasSuffix("ENDATA\n"))
    let lines = text.split(separator: "\n")
    #expect(lines.count { $0.hasPrefix(" E one") } == 8 * 64)
    #expect(lines.count { $0.hasPrefix(" L most") } == 8 * 8)
  }

  @Test("Copies that fit no device wherever they are end nothing that was begun")
  func memory() throws {
    // 128 sequences of 64000 tokens x 9216 B take 75.5 GB and weights 2.4 GB of 80 GB; 448 copies more in
    // each of 8 layers are 448 more of 17.3 MB on each of 8 devices: 7.7 GB. A method that is asked
    // before says that it knows no redundant experts.
    try bench.scenario("workload: {context: 64000 tokens}")
    for method in ["search", "moetuner"] {
      let sentence = try bench.refusal(
        of: ["place", "scenario.yaml", "--method", method, "--replicas", "448"]
          + (method == "search" ? ["--trials", "0"] : []))
      #expect(sentence.hasPrefix("device 0 would need 85.69 GB of its 80 GB of memory: experts 8"))
      #expect(sentence.contains("(512 copies x 17.3 MB)"))
    }
    #expect(
      try bench.refusal(
        "compare", "scenario.yaml", "--placements", "moetuner", "--replicas", "448"
      ).hasPrefix("placement 'moetuner': device 0 would need 85.69 GB"))
    #expect(
      try bench.refusal(
        "run", "scenario.yaml", "--set", "policies.placement={kind: eplb, redundant: 448}"
      ).contains("device 0 would need 85.69 GB"))
    #expect(try bench.contents == ["scenario.yaml"])
  }

  @Test("What cannot be placed is refused in a sentence")
  func refusals() throws {
    func refusal(_ arguments: String...) throws -> String {
      try bench.refusal(of: ["place", "scenario.yaml"] + arguments)
    }
    #expect(
      try refusal("--method", "exact").contains("ways to place its experts"))
    #expect(try refusal("--replicas", "449", "--method", "eplb").contains("0 to 448 are possible"))
    #expect(try refusal("--move-layers", "8").contains("from 0 to 7"))
    #expect(try refusal("--method", "moetuner", "--replicas", "8").contains("no redundant experts"))
    #expect(
      try refusal("--method", "eplb", "--profile-split", "0.0001")
        .contains("into all and none"))
    #expect(
      try bench.usageError("place", "scenario.yaml", "--method", "eplb", "--trials", "5")
        .contains("--trials has no effect on method eplb"))
    #expect(
      try bench.usageError("place", "scenario.yaml", "--time", "10").contains("write it like 10s"))
    #expect(
      try bench.refusal("compare", "scenario.yaml", "--placements", "best")
        .contains("--placements has 'best'; it is one of search, exact"))
    #expect(
      try bench.refusal("compare", "scenario.yaml", "--placements", "eplb", "--trials", "5")
        .contains("no placement is by search"))
    #expect(
      try bench.refusal(
        "place", "scenario.yaml", "--method", "exact", "--time", "5s", "--chains", "4"
      ).contains("--chains has no effect on method exact"))
    #expect(try bench.contents == ["scenario.yaml"])
  }
}
