import ArgumentParser
import Foundation
import Placement
import Results
import Scenario
import Serving
import StrictYAML
import Units

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Simulates a scenario with its experts placed in several ways, side by side.",
    discussion: """
      Every placement is chosen by the profiled part of the trace's requests, and simulated with the \
      other part: what the optimiser believed stands beside what the run took. Where the scenario's own \
      placement says which part that is (profile, windows) and how long to search (trials), that holds \
      here, unless an option says otherwise.

        switchyard compare scenarios/quickstart.yaml --placements contiguous,eplb,search
        switchyard compare scenarios/quickstart.yaml --placements eplb,file:mine.yaml --out results.sqlite
      """)

  @OptionGroup var scenario: ScenarioOptions
  @OptionGroup var question: PlacementOptions

  @Option(
    help: ArgumentHelp(
      "What is compared: methods of `place` and files, with commas between: "
        + PlacementMethod.allValueStrings.joined(separator: ", ") + ", file:PATH.",
      valueName: "placements"))
  var placements: String

  @Option(
    help: ArgumentHelp(
      "Append all runs to this SQLite file; it is made if there is none.", valueName: "file"))
  var out: String?

  @Flag(
    help: """
      Store no bound on what placements cost with --out: it takes a minute or more for the largest models.
      """)
  var noBound = false

  @Flag(help: "Print JSON.")
  var json = false

  /// One of the things compared.
  private enum Candidate {
    case method(PlacementMethod)
    case file(String, PlacementFile)

    var method: PlacementMethod? {
      guard case .method(let method) = self else { return nil }
      return method
    }

    var name: String {
      switch self {
      case .method(let method): method.rawValue
      case .file(let path, _): "file:\(path)"
      }
    }

    var file: PlacementFile? {
      guard case .file(_, let file) = self else { return nil }
      return file
    }
  }

  struct Row: Encodable {
    var placement: String
    /// What must be known of it, in sentences.
    var notes: [String]
    var believedSeconds: Double
    var believedUnseenSeconds: Double
    var meanImbalance: Double
    var tokensPerSecond: Double
    var meanIterationSeconds: Double
    var percentile99IterationSeconds: Double
    var simulatedImbalance: Double?
    var energyJoulesPerToken: Double?
    /// Over the first placement.
    var throughputGain: Double
  }

  func validate() throws {
    if question.replicaChoice == .leastLoaded {
      throw ValidationError(
        "--replica-choice least-loaded is not simulated: runs take copies evenly or the nearest")
    }
    if noBound, out == nil {
      throw ValidationError("--no-bound has no effect without --out, with which bounds are stored")
    }
  }

  func run() throws {
    try reportingFailures {
      let loaded = try scenario.load()
      try refuseEvery(loaded)
      let candidates = try candidates(loaded)
      var tasks: [PlacementTask.Question: PlacementTask] = [:]
      var requests = (profiled: 0, unseen: 0)
      let database = try out.map { try ResultsDatabase($0) }
      let bounds = TrafficBoundCache()
      var rows: [Row] = []
      var results: [RunResult] = []
      for candidate in candidates {
        let asked = try asked(of: candidate, loaded)
        let task = try tasks[asked] ?? PlacementTask(loaded, asked)
        tasks[asked] = task
        requests = (task.profiledRequests, task.unseenRequests)
        let answer = try naming(candidate) { try self.answer(candidate, task) }
        let placed = try naming(candidate) {
          try task.scenario(
            with: answer.placement, named: candidate.name, remarks: answer.notes)
        }
        var result = try RecordedRun.result(of: placed, threads: question.threads)
        rows.append(row(candidate.name, answer, task, result, rows.first))
        if database != nil {
          result.placement = PlacementBelief(
            candidate.name, answer, task,
            bound: noBound
              ? nil : try ProvenBound(of: answer, task.profiled, question.threads, bounds))
        }
        results.append(result)
      }
      if let database { for result in results { try database.append(result) } }
      try printResult(json ? jsonText(rows) : text(rows, loaded.name, requests))
    }
  }

  /// What copies cost is part of the question, and what a bound holds for: of a file, its own copies on as many
  /// slots as it fills.
  private func asked(
    of candidate: Candidate, _ scenario: Scenario
  ) throws -> PlacementTask.Question {
    var asked = try question.asked(of: scenario)
    guard let placement = candidate.file?.placement else { return asked }
    let redundant = placement.mostRedundant
    asked.redundant = redundant
    if redundant == 0 {
      (asked.replicaChoice, asked.replicaSpread) = (nil, nil)
    } else {
      asked.replicaChoice =
        asked.replicaChoice ?? scenario.replicaChoice ?? candidate.file?.replicaChoice
    }
    let groups = placement.groups - placement.sharedGroups
    let fewest = (placement.experts + redundant + groups - 1) / max(1, groups)
    if asked.mostPerGroup == nil, placement.mostCopiesOfLayer > fewest {
      asked.mostPerGroup = placement.mostCopiesOfLayer
    }
    return asked
  }

  /// Placements that are compared stay as they were chosen.
  private func refuseEvery(_ scenario: Scenario) throws {
    guard let choice = scenario.placementChoice, let every = choice.every,
      let place = choice.placeOfEvery
    else { return }
    throw Problems([
      Problem(
        "'every' has no effect in a comparison: each placement is chosen once, and would not be chosen anew "
          + "every \(every) iterations; leave it out, as with --set policies.placement="
          + choice.method.rawValue, at: place)
    ])
  }

  /// Says of a mistake whose it is.
  private func naming<Value>(_ candidate: Candidate, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch {
      var failure = CommandFailure(error)
      if case .method(let method) = candidate {
        failure.sentence = "placement '\(method.rawValue)': \(failure.sentence)"
      }
      throw failure
    }
  }

  private func candidates(_ scenario: Scenario) throws -> [Candidate] {
    let (model, current) = (scenario.deployment.model, scenario.deployment.placement)
    let found = try placements.split(separator: ",", omittingEmptySubsequences: false).map {
      part -> Candidate in
      let word = part.trimmingCharacters(in: .whitespaces)
      if word.hasPrefix("file:") {
        let path = String(word.dropFirst("file:".count))
        return .file(
          path,
          try PlacementFile(
            contentsOf: path, model: model.name, layers: current.layers, experts: current.experts,
            groups: current.groups, nodes: scenario.deployment.cluster.nodeCount))
      }
      guard let method = PlacementMethod(rawValue: word) else {
        let known = PlacementMethod.allValueStrings.joined(separator: ", ")
        throw CommandFailure("--placements has '\(word)'; it is one of \(known) or file:PATH")
      }
      return .method(method)
    }
    for (position, candidate) in found.enumerated()
    where found[..<position].contains(where: { $0.name == candidate.name }) {
      throw CommandFailure("--placements has '\(candidate.name)' twice")
    }
    let methods = found.compactMap(\.method)
    let hasUse = { (option: String) in
      methods.contains { option == "--time" ? $0.takesTime : $0 == .search }
    }
    if let option = question.searchOptions.first(where: { !hasUse($0) }) {
      throw CommandFailure("\(option) has no effect: no placement is by search")
    }
    if question.mostExpertsPerDevice != nil, methods.allSatisfy(\.holdsEquallyMany) {
      throw CommandFailure(
        "--most-experts-per-device has no effect: no placement is by a method that gives devices unequal "
          + "numbers of experts")
    }
    for (option, isGiven) in [
      ("--replicas", question.replicas != nil), ("--replica-spread", question.replicaSpread != nil),
    ] where isGiven && methods.isEmpty {
      throw CommandFailure("\(option) has no effect: no placement is by a method")
    }
    if question.replicaChoice != nil, methods.isEmpty,
      found.allSatisfy({ $0.file?.placement.hasReplicas == false })
    {
      throw CommandFailure(
        "--replica-choice has no effect: no expert of the placement files has copies to choose among"
      )
    }
    return found
  }

  private func answer(_ candidate: Candidate, _ task: PlacementTask) throws -> PlacementAnswer {
    switch candidate {
    case .method(let method):
      return try task.answering {
        try question.place(method, task, question.effort(for: task.scenario))
      }
    case .file(let path, let file):
      let deployment = task.scenario.deployment
      let (shared, wanted) = (file.placement.sharedGroups, deployment.placement.sharedGroups)
      guard shared == wanted else {
        throw CommandFailure(
          "\(path): the placement has \(shared) groups of shared experts, the scenario \(wanted)")
      }
      let placement = task.study.routed(file.placement)
      let isLimited = question.mostExpertsPerDevice != nil
      if let objection = task.profiled.misplaced(in: placement)
        ?? (isLimited ? task.profiled.overfull(in: placement) : nil)
      {
        throw CommandFailure("\(path): \(objection)")
      }
      var answer = PlacementAnswer(placement, in: task.profiled)
      answer.notes = file.remarks(taking: question.replicaChoice ?? task.scenario.replicaChoice)
      return answer
    }
  }

  private func row(
    _ name: String, _ answer: PlacementAnswer, _ task: PlacementTask, _ result: RunResult,
    _ first: Row?
  ) -> Row {
    let summary = RunSummary(result)
    let unseen = task.unseenCost(of: answer.placement)
    return Row(
      placement: name, notes: answer.notes, believedSeconds: answer.cost.total,
      believedUnseenSeconds: unseen.total,
      meanImbalance: unseen.meanImbalance, tokensPerSecond: summary.tokensPerSecond,
      meanIterationSeconds: summary.iteration.meanSeconds,
      percentile99IterationSeconds: summary.iteration.percentile99Seconds,
      simulatedImbalance: summary.meanImbalance,
      energyJoulesPerToken: summary.energyJoulesPerToken,
      throughputGain: first.map { summary.tokensPerSecond / $0.tokensPerSecond - 1 } ?? 0)
  }

  /// What must be known of the placements, below their table.
  private func noted(_ rows: [Row]) -> [String] {
    let lines = rows.flatMap { row in row.notes.map { "- \(row.placement): \($0)" } }
    return lines.isEmpty ? [] : [""] + lines
  }

  private func text(
    _ rows: [Row], _ scenario: String, _ requests: (profiled: Int, unseen: Int)
  ) -> String {
    let hasUnseen = requests.unseen > 0
    var table = TextTable(
      [.left("placement"), .right("believed")] + (hasUnseen ? [.right("on unseen")] : [])
        + [
          .right("most / mean"), .right("simulated"), .right("gain"), .right("iteration"),
          .right("99 %"), .right("most / mean"), .right("energy a token"),
        ])
    for row in rows {
      let unseen = hasUnseen ? ["\(Seconds(row.believedUnseenSeconds))"] : []
      table.add(
        [row.placement, "\(Seconds(row.believedSeconds))"] + unseen + [
          fixed(row.meanImbalance, decimals: 3),
          "\(fixed(row.tokensPerSecond, decimals: 1)) tokens/s",
          percent(row.throughputGain), "\(Seconds(row.meanIterationSeconds))",
          "\(Seconds(row.percentile99IterationSeconds))",
          row.simulatedImbalance.map { fixed($0, decimals: 3) } ?? "-",
          row.energyJoulesPerToken.map { "\(Joules($0))" } ?? "-",
        ])
    }
    let unseen =
      hasUnseen
      ? "chosen by \(requests.profiled) requests, simulated with \(requests.unseen) others"
      : "chosen by and simulated with all \(requests.profiled) requests"
    return """
      \(scenario)
      \(unseen); left of 'simulated' is what the optimiser believes of experts and exchanges in an iteration

      """ + (table.lines + noted(rows)).joined(separator: "\n")
  }
}

extension PlacementBelief {
  fileprivate init(
    _ name: String, _ answer: PlacementAnswer, _ task: PlacementTask, bound: ProvenBound?
  ) {
    let problem = task.profiled
    self.init(
      placement: name, traffic: problem.traffic.rawValue, objective: problem.objective.rawValue,
      copies: problem.copies, profiledRequests: task.profiledRequests,
      unseenRequests: task.unseenRequests, profiled: Cost(answer.cost),
      unseen: task.unseen.map { Cost(PlacementCost(of: answer.placement, in: $0)) },
      bound: bound.map {
        Bound(
          least: Seconds($0.seconds), covers: $0.covers, gap: $0.gap, isOptimal: answer.isOptimal)
      })
  }
}

extension PlacementBelief.Cost {
  fileprivate init(_ cost: PlacementCost) {
    self.init(
      total: Seconds(cost.total), work: Seconds(cost.work), inNode: Seconds(cost.inNodeSeconds),
      acrossNodes: Seconds(cost.acrossNodesSeconds), imbalance: cost.meanImbalance)
  }
}
