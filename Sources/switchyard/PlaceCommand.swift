import ArgumentParser
import Foundation
import Placement
import Results
import Scenario
import Serving
import Units

struct PlaceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "place",
    abstract: "Chooses which device holds which expert, and proves how good the choice is.",
    discussion: """
      Profiles a part of the trace's requests, chooses a placement by them, and says what it costs on \
      them and on the others: a placement that fits its profile alone is worth nothing. The cost of an \
      iteration is the work of each layer's slowest device and what tokens take on the network; no \
      placement at all costs less than the bound.

        switchyard place scenarios/quickstart.yaml --out placement.yaml
        switchyard place scenarios/quickstart.yaml --method eplb --replicas 32
        switchyard place scenarios/quickstart.yaml --time 60s --threads 2
        switchyard run scenarios/quickstart.yaml --set policies.placement=file:placement.yaml

      Standard output is the same for the same --trials on every machine; how long that took goes to \
      standard error.

      Methods: search (transportation problems, descent and annealing; the default), exact (dynamic \
      programming, for small models), moetuner (its two integer programs; a MIP solver is used where \
      one is installed), eplb (DeepSeek's balancing, by node where the router's groups divide over the nodes), contiguous, round-robin, random.
      """)

  @OptionGroup var scenario: ScenarioOptions
  @OptionGroup var question: PlacementOptions

  @Option(
    help: "How the placement is chosen: \(PlacementMethod.allValueStrings.joined(separator: ", "))."
  )
  var method = PlacementMethod.search

  @Option(
    help: ArgumentHelp(
      "Let only experts of these layers move, counted among the MoE layers from 0: 3,5-7.",
      valueName: "layers"))
  var moveLayers: String?

  @Option(
    help: ArgumentHelp(
      "Write the placement to this file, for policies.placement=file:...", valueName: "file"))
  var out: String?

  @Option(
    help: ArgumentHelp(
      "Write an integer program (free MPS) that any solver reads; see --export-form.",
      valueName: "file"))
  var export: String?

  @Option(
    help: """
      The program to export: products (the whole problem of transition traffic, tight and large), \
      compact (the same, small and loose), balance or assignment (MoETuner's first and second). \
      Products where left out.
      """)
  var exportForm: ExportForm?

  @Flag(help: "Leave the bound out: it takes a minute or more for the largest models.")
  var noBound = false

  @Flag(help: "List every layer.")
  var layers = false

  @Flag(help: "List what each device holds, and what goes over its ports.")
  var ports = false

  @Flag(help: "Print JSON.")
  var json = false

  enum ExportForm: String, CaseIterable, ExpressibleByArgument {
    case products
    case compact
    case balance
    case assignment
  }

  func validate() throws {
    try requireDistinctFiles([("--out", out), ("--export", export)])
    if exportForm != nil, export == nil {
      throw ValidationError("--export-form has no effect without --export")
    }
    if json && layers {
      throw ValidationError("--layers has no effect with --json, which lists every layer")
    }
    if json && ports {
      throw ValidationError("--ports has no effect with --json, which lists every device")
    }
    if method.holdsEquallyMany, question.mostExpertsPerDevice != nil {
      throw ValidationError(
        "--most-experts-per-device has no effect on method \(method.rawValue), which gives every device "
          + "as many")
    }
    if export != nil, moveLayers != nil {
      throw ValidationError(
        "--move-layers has no effect on --export: the program that it writes lets all layers move")
    }
    if method != .search {
      if moveLayers != nil { throw ValidationError("--move-layers has no effect but with search") }
      if let option = question.searchOptions.first(where: {
        !($0 == "--time" && method.takesTime)
      }) {
        throw ValidationError("\(option) has no effect on method \(method.rawValue)")
      }
    }
  }

  func run() throws {
    try reportingFailures {
      let loaded = try scenario.load()
      let task = try PlacementTask(loaded, try question.asked(of: loaded))
      let file = try out.map { try TextOutput($0, startingWith: "placement:") }
      let exported = try export.map { try TextOutput($0, startingWith: "* one unit of cost") }
      // What cannot be is told before the search, and nothing is written before a placement whose groups
      // need not hold equally many has its memory checked.
      let program = try exported.map { _ in try exportedProgram(task.profiled) }
      var effort = question.effort(for: task.scenario)
      effort.movableLayers = try moveLayers.map { try layerNumbers($0, of: task.profiled.layers) }
      let start = Date()
      let answer = try task.answering { try question.place(method, task, effort) }
      let seconds = Date().timeIntervalSince(start)
      let memory = try task.memory(of: answer.placement)
      var report = try PlacementReport(
        task, method, answer, memory, memoryOfGroups: try task.memoryOfGroups(answer.placement))
      if !noBound { try report.addBound(threads: question.threads) }
      try file?.write(
        PlacementFile(
          model: task.scenario.deployment.model.name,
          placement: task.study.placement(of: answer.placement),
          nodes: task.scenario.deployment.cluster.nodeCount,
          replicaChoice: task.profiled.hasReplicas && task.profiled.replicaChoice != .leastLoaded
            ? task.profiled.replicaChoice : nil
        ).yaml)
      if let exported, let program {
        try exported.write(pieces: { sink in try program.writeMPS(to: sink) })
      }
      say("found in \(Seconds(seconds))")
      try printResult(
        json ? jsonText(report.content) : report.text(allLayers: layers, allPorts: ports))
    }
  }

  private func exportedProgram(_ problem: PlacementProblem) throws -> IntegerProgram {
    switch exportForm ?? .products {
    case .products: return try JointProgram(problem, form: .products).program
    case .compact: return try JointProgram(problem, form: .compact).program
    case .balance, .assignment:
      guard !problem.hasSpareSlots else {
        throw CommandFailure(
          "MoETuner's programs give every device as many experts as any other: --export-form "
            + "\((exportForm ?? .balance).rawValue) has no use for more on one")
      }
      let programs = try MoETunerPlacement(problem).programs(for: problem)
      return exportForm == .balance ? programs.balance : programs.assignment
    }
  }

  /// `3,5-7`
  private func layerNumbers(_ text: String, of count: Int) throws -> [Int] {
    var layers: Set<Int> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        .map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last,
        (0..<count).contains(first), (0..<count).contains(last)
      else {
        throw CommandFailure(
          "--move-layers has '\(part)'; write numbers or runs like 3 or 5-7, from 0 to \(count - 1)"
        )
      }
      layers.formUnion(first...last)
    }
    return layers.sorted()
  }
}

extension PlacementMethod: ExpressibleByArgument {}

/// What is asked of placements, for every command that chooses them.
struct PlacementOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How long a search may take, like 10s; 0s returns the best start. Without this or --trials: 10s. "
        + "Of exact: ends it with the best found and what is proven by then; it takes what it takes without.",
      valueName: "time"))
  var time: String?

  @Option(
    help: ArgumentHelp(
      "Proposals of the search for each chain, in place of a time: the same number gives the same "
        + "placement on every machine. The scenario's where this and --time are left out.",
      valueName: "number"))
  var trials: Int?

  @Option(
    help: ArgumentHelp(
      "Independent chains of the search; where tokens return home and no expert has copies, as many "
        + "again look for balance at nearly the same cost.", valueName: "number"))
  var chains = 1

  @Option(
    help: ArgumentHelp("Threads. Placements do not depend on it.", valueName: "number"))
  var threads = ProcessInfo.processInfo.activeProcessorCount

  @Option(
    help: ArgumentHelp(
      "Redundant copies in each layer; the scenario's where left out.", valueName: "number"))
  var replicas: Int?

  @Option(
    help: ArgumentHelp(
      "The share of the tokens whose requests are profiled, like 0.5 or 50%; the others judge the result. "
        + "1 for all. The scenario's 'profile' where left out, else half of them.",
      valueName: "share"))
  var profileSplit: String?

  @Option(
    help: ArgumentHelp(
      """
      Windows of profiled requests, each balanced for itself, against fitting one day's traffic. The \
      scenario's where left out, else \(PlacementTask.Question.halves) random halves, so that nothing is \
      balanced by a chance that other requests will not share.
      """,
      valueName: "number"))
  var windows: Int?

  @Option(
    help: """
      Where tokens are between layers: home (they return to their own device), transition (they stay \
      where their last expert ran), or both. As the scenario's policies.communication has it where left \
      out; that is what is simulated.
      """)
  var traffic: PlacementProblem.Traffic?

  @Option(
    help: """
      How communication adds up: sum (all tokens that move), or bottleneck (the slowest pair of \
      devices in each layer, as MoETuner counts; transition traffic only).
      """)
  var objective = PlacementProblem.Objective.sum

  @Option(
    help: """
      How tokens choose among copies: even, nearest (one on the token's device, else one of its node), or \
      least-loaded, which is estimated, not simulated. As the scenario's placement has it where left out.
      """)
  var replicaChoice: ReplicaChoice?

  @Option(
    help: """
      What an expert's copies are kept apart over: devices (always), or nodes, as far as there are nodes. \
      As the scenario's placement has it where left out.
      """)
  var replicaSpread: ReplicaSpread?

  @Option(
    help: ArgumentHelp(
      """
      The most experts of a layer, copies among them, that a device may hold: some may then hold more and \
      others fewer. The scenario's where left out, else the fewest that hold all. Of search, exact, eplb and \
      random.
      """,
      valueName: "number"))
  var mostExpertsPerDevice: Int?

  static let defaultSeconds = 10.0
  private static let mostSeconds = 86_400.0
  /// How many times the given time a search may take before it is stopped.
  private static let patience = 1.5
  /// Of a search's trials over the one before.
  private static let mostGrowth = 16.0

  func validate() throws {
    if time != nil, trials != nil { throw ValidationError("give --time or --trials, not both") }
    if let trials, trials < 0 {
      throw ValidationError("--trials is \(trials); it must be 0 or more")
    }
    for (name, value, range) in [
      ("--chains", chains, 1...1024), ("--threads", threads, 1...1024),
      ("--windows", windows ?? 1, 1...4096), ("--replicas", replicas ?? 0, 0...16_384),
      ("--most-experts-per-device", mostExpertsPerDevice ?? 1, 1...65_535),
    ] where !range.contains(value) {
      throw ValidationError(
        "\(name) is \(value); it must be from \(range.lowerBound) to \(range.upperBound)")
    }
    if objective == .bottleneck, let traffic, traffic != .transition {
      throw ValidationError(
        "--objective bottleneck is of transition traffic; add --traffic transition")
    }
    let seconds = try seconds()
    _ = try split()
    if chains > 1, trials == 0 || seconds == 0 {
      throw ValidationError("--chains has no effect without trials: each chain is of so many")
    }
  }

  /// The options that only a search has a use for, or of time what ends by it.
  var searchOptions: [String] {
    [("--time", time != nil), ("--trials", trials != nil), ("--chains", chains > 1)]
      .filter(\.1).map(\.0)
  }

  private func seconds() throws -> Double {
    guard let time else { return Self.defaultSeconds }
    let units: [(String, Double)] = [("ms", 1e-3), ("s", 1), ("min", 60)]
    for (unit, factor) in units {
      if time.hasSuffix(unit), let number = Double(time.dropLast(unit.count)), number >= 0,
        number * factor <= Self.mostSeconds
      {
        return number * factor
      }
    }
    throw ValidationError("--time is '\(time)'; write it like 10s, 500ms or 2min, up to a day")
  }

  /// As a share or in per cent; nil where it is not said.
  private func split() throws -> Double? {
    guard let profileSplit else { return nil }
    let isPercent = profileSplit.hasSuffix("%")
    let digits = (isPercent ? String(profileSplit.dropLast()) : profileSplit)
      .trimmingCharacters(in: .whitespaces)
    guard let number = Double(digits), number > 0, number <= (isPercent ? 100 : 1) else {
      throw ValidationError(
        "--profile-split is '\(profileSplit)'; write a share above 0, up to 1, like 0.5 or 50%")
    }
    return isPercent ? number / 100 : number
  }

  /// What is asked here, else what the scenario's placement asks for.
  func asked(of scenario: Scenario) throws -> PlacementTask.Question {
    let own = scenario.placementChoice
    var asked = PlacementTask.Question()
    if let split = try split() ?? own?.profile { asked.split = split }
    asked.windows = windows ?? own?.windows
    asked.redundant = replicas
    asked.traffic = traffic
    asked.objective = objective
    asked.replicaChoice = replicaChoice
    asked.replicaSpread = replicaSpread
    asked.mostPerGroup = mostExpertsPerDevice
    return asked
  }

  /// Trials of a search; nil where it takes a time.
  private func trials(for scenario: Scenario) -> Int? {
    trials ?? (time == nil ? scenario.placementChoice?.trials : nil)
  }

  func effort(for scenario: Scenario) -> PlacementMethod.Effort {
    var effort = PlacementMethod.Effort(
      seed: scenario.seed, trials: trials(for: scenario) ?? 0)
    effort.chains = chains
    effort.threads = threads
    effort.solverSeconds = (try? seconds()) ?? Self.defaultSeconds
    if time != nil { effort.exact.steps = .infinity }
    return effort
  }

  /// Places by a method, once copies are known to fit some placement's memory; a time is turned into
  /// searches of more and more trials, so that the answer can be had again by their number.
  func place(
    _ method: PlacementMethod, _ task: PlacementTask, _ given: PlacementMethod.Effort
  ) throws -> PlacementAnswer {
    try task.checkMemory()
    if method == .exact { return try placeExactly(task, given) }
    var effort = given
    guard method == .search, trials(for: task.scenario) == nil else {
      return try method.place(task.profiled, from: task.current, effort)
    }
    let limit = try seconds()
    guard limit > 0 else { return try method.place(task.profiled, from: task.current, effort) }
    let start = Date()
    func secondsSpent() -> Double { Date().timeIntervalSince(start) }
    // Only a machine that became slow is stopped: how far it came is its own business.
    let deadline = start.addingTimeInterval(limit * Self.patience)
    effort.trials = PlacementSearch.trialsPerRound
    let beginning = try effort.search.begin(task.profiled, from: task.current)
    var outcomes: [PlacementSearch.Outcome] = []
    var notes: [String] = []
    // Each search is as long as the one before lets expect, and not so much longer that little would be
    // left if it came to be stopped; short ones take longer for a trial.
    while true {
      let begun = secondsSpent()
      var (annealed, isLate, done) = (begun, false, 0)
      let outcome = effort.search.run(from: beginning) {
        annealed = secondsSpent()
        done += PlacementSearch.trialsPerRound
        // After the last round there is nothing to stop.
        isLate = done < effort.trials && Date() > deadline
        return !isLate
      }
      outcomes.append(outcome)
      notes.append(
        isLate
          ? "the time was over before \(effort.trials) trials: another run may end elsewhere"
          : "--trials \(effort.trials) gives the same placement on every machine")
      let perTrial = max(1e-9, (annealed - begun) / Double(effort.trials))
      let lastDescent = secondsSpent() - annealed
      let trials = min(
        (limit - secondsSpent() - lastDescent) / perTrial, Self.mostGrowth * Double(effort.trials))
      // One group has nothing to try.
      guard outcome.trials > 0, !isLate, trials > Double(effort.trials) else { break }
      effort.trials = Int(trials) / PlacementSearch.trialsPerRound * PlacementSearch.trialsPerRound
    }
    // Another number of trials is another schedule of temperatures, and may end worse.
    let best = PlacementSearch.best(of: outcomes)
    var answer = PlacementAnswer(outcomes[best], of: outcomes)
    if outcomes[best].trials > 0 { answer.notes.append(notes[best]) }
    return answer
  }
}

extension PlacementOptions {
  /// Until it is done, or the given time is over.
  private func placeExactly(
    _ task: PlacementTask, _ effort: PlacementMethod.Effort
  ) throws -> PlacementAnswer {
    let start = Date()
    let limit = time == nil ? .infinity : try seconds()
    var progress: Progress?
    let answer = try PlacementMethod.exact.place(task.profiled, effort) { done, all in
      var shown = progress ?? Progress("ways to place a layer", of: all)
      shown.advance(to: done)
      progress = shown
      return Date().timeIntervalSince(start) < limit
    }
    progress?.finish()
    return answer
  }
}

extension PlacementMethod {
  /// Whether `--time` is of any use to it: as long as a search takes, or a limit.
  var takesTime: Bool { self == .search || self == .moetuner || self == .exact }
}

extension PlacementProblem.Traffic: ExpressibleByArgument {}
extension PlacementProblem.Objective: ExpressibleByArgument {}
extension ReplicaChoice: ExpressibleByArgument {}
extension ReplicaSpread: ExpressibleByArgument {}
