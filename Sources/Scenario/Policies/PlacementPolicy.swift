import Models
import Placement
import Serving
import StrictYAML
import Units

/// Where experts live:
///
/// ```yaml
/// placement: contiguous                         # or round-robin
/// placement: {kind: contiguous, redundant: 64}  # further copies in each layer
/// placement: {kind: eplb, redundant: 64, replica-choice: nearest}  # in place of even
/// placement: {kind: contiguous, shared-ranks: 32}  # shared experts on the first groups alone
/// placement: {kind: file, path: mine.yaml}      # or file:mine.yaml
/// placement: eplb                               # or random, search: chosen by the trace
/// placement: {kind: search, trials: 2000000, redundant: 32, profile: 50 %}
/// ```
///
/// With `profile` a part of the trace's requests is profiled, and the run replays the others. With
/// `every: 100 iterations` experts begin in a row (with redundant ones: by turns) and are placed anew by
/// what the last iterations asked. `search` keeps experts where they are pinned (``WrittenPlaces``), and
/// their copies in different nodes with `replica-spread: nodes`. Devices hold as few experts of a layer as
/// hold all of them, unless `most-experts-per-device: 10` lets some hold more and others fewer.
enum PlacementPolicy {
  case contiguous(Copies = Copies())
  case roundRobin(Copies = Copies())
  /// A path from where the program stands, and as it was written.
  case file(path: String, written: String, place: Location, replicaChoice: ReplicaChoice? = nil)
  case chosen(PlacementChoice)

  /// What a layer has beside one copy of each expert.
  struct Copies: Sendable {
    var redundant = 0
    var sharedRanks = 0
    /// Even where nil.
    var replicaChoice: ReplicaChoice?
    /// Over devices where nil.
    var spread: ReplicaSpread?
  }

  /// The copies of a placement that is chosen when the trace and costs are known; nil without redundant ones.
  var chosenCopies: Copies? {
    guard case .chosen(let choice) = self, choice.copies.redundant > 0 else { return nil }
    return choice.copies
  }

  enum Kind: String, PolicyKind {
    case contiguous
    case roundRobin = "round-robin"
    case file
    case eplb
    case random
    case search

    var keys: [String] {
      switch self {
      case .contiguous, .roundRobin: Self.copies
      case .file: ["path", "replica-choice"]
      case .random: Self.copies + [Self.most]
      case .eplb: Self.copies + ["profile", "every", Self.most]
      case .search:
        Self.copies + [
          "profile", "windows", "trials", "every", "pinned", "forbidden", "replica-spread",
          Self.most,
        ]
      }
    }

    private static let most = "most-experts-per-device"

    private static let copies = ["redundant", "replica-choice", "shared-ranks"]
  }

  /// More copies of a layer than this are refused.
  static let mostRedundant = 16_384

  var words: String {
    switch self {
    case .contiguous(let copies): return "contiguous" + copies.words
    case .roundRobin(let copies): return "round-robin" + copies.words
    case .file(_, let written, _, let choice): return "file \(written)" + (choice?.words ?? "")
    case .chosen(let choice):
      let trials =
        choice.method == .search
        ? " of \(choice.trials ?? PlacementChoice.defaultTrials) trials" : ""
      let profile =
        choice.profile.map {
          ", by \(fixed($0 * 100, decimals: 1, droppingZeros: true)) % of the trace"
        } ?? ""
      let every = choice.every.map { ", anew every \($0) iterations" } ?? ""
      let most = choice.mostPerGroup.map { ", at most \($0) on a device" } ?? ""
      return choice.method.rawValue + trials + profile + every + choice.copies.words + most
        + choice.written.words
    }
  }

  /// What it says of copies; nil where it says nothing.
  var replicaChoice: ReplicaChoice? {
    switch self {
    case .contiguous(let copies), .roundRobin(let copies): copies.replicaChoice
    case .file(_, _, _, let choice): choice
    case .chosen(let choice): choice.copies.replicaChoice
    }
  }
}

extension PlacementPolicy.Copies {
  fileprivate var words: String {
    (redundant == 0 ? "" : ", \(redundant) redundant experts in each layer")
      + (replicaChoice?.words ?? "") + (spread == .nodes ? ", apart over nodes" : "")
      + (sharedRanks == 0 ? "" : ", shared experts on \(sharedRanks) ranks of their own")
  }
}

extension ReplicaChoice {
  fileprivate var words: String { self == .even ? "" : ", of copies the \(rawValue)" }
}

/// Where experts live, and how tokens choose among copies.
struct ResolvedPlacement {
  var placement: ExpertPlacement
  var replicaChoice: ReplicaChoice
  /// What must be known of that, in sentences.
  var remarks: [String] = []
}

extension ScenarioReader {
  func placementPolicy(_ value: Value) -> PlacementPolicy? {
    if case .scalar(let text) = value.content, text.hasPrefix("file:") {
      let path = String(text.dropFirst("file:".count))
      guard !path.isEmpty else {
        problems.add("'file:' names no file; write it like 'file:mine.yaml'", at: value.location)
        return nil
      }
      return placementFile(path, at: value.location)
    }
    guard let reader = PolicyReader<PlacementPolicy.Kind>("placement", value, problems) else {
      return nil
    }
    defer { reader.finish() }
    let written = reader.mapping?.optional("replica-choice")
    let choice = written?.word("replica-choice", ReplicaChoice.self, problems)
    if reader.kind == .file {
      guard let path = reader.mapping?.required("path", example: "mine.yaml") else {
        if reader.mapping == nil {
          problems.add(
            "placement 'file' names no file; write it like 'file:mine.yaml'", at: value.location)
        }
        return nil
      }
      guard (written == nil) == (choice == nil) else { return nil }
      return path.text("path", problems).flatMap { placementFile($0, at: path.location, choice) }
    }
    let redundant = redundantCopies(reader.mapping)
    let shared = reader.mapping?.optional("shared-ranks")
    let sharedRanks = shared?.integer("shared-ranks", in: 1...65_534, problems)
    guard let redundant, (shared == nil) == (sharedRanks == nil),
      (written == nil) == (choice == nil)
    else { return nil }
    if let written, redundant == 0 {
      problems.add(
        "'replica-choice' has no effect: no expert has copies to choose among; say how many with "
          + "'redundant'", at: written.location)
      return nil
    }
    let writtenSpread = reader.kind != .search ? nil : reader.mapping?.optional("replica-spread")
    let spread = writtenSpread?.word("replica-spread", ReplicaSpread.self, problems)
    guard (writtenSpread == nil) == (spread == nil) else { return nil }
    if let writtenSpread, redundant == 0 {
      problems.add(
        "'replica-spread' has no effect: no expert has copies to keep apart; say how many with "
          + "'redundant'", at: writtenSpread.location)
      return nil
    }
    let copies = PlacementPolicy.Copies(
      redundant: redundant, sharedRanks: sharedRanks ?? 0, replicaChoice: choice, spread: spread)
    switch reader.kind {
    case .contiguous: return .contiguous(copies)
    case .roundRobin: return .roundRobin(copies)
    default:
      guard let method = PlacementMethod(rawValue: reader.kind.rawValue) else { return nil }
      var choice = PlacementChoice(method: method, copies: copies)
      let isRead = read(reader.mapping, into: &choice)
      return isRead ? .chosen(choice) : nil
    }
  }

  private func read(_ mapping: MappingReader?, into choice: inout PlacementChoice) -> Bool {
    guard let mapping else { return true }
    if let value = mapping.optional("profile") {
      guard let share = self.share("profile", value) else { return false }
      guard share < 1 else {
        problems.add(
          "'profile' is all of the trace, which leaves nothing to replay; leave it out to profile and "
            + "replay the same requests", at: value.location)
        return false
      }
      choice.profile = share
    }
    if let value = mapping.optional("windows") {
      guard let windows = value.integer("windows", in: 1...4096, problems) else { return false }
      choice.windows = windows
    }
    if let value = mapping.optional("trials") {
      guard let trials = value.integer("trials", in: 0...1_000_000_000, problems) else {
        return false
      }
      choice.trials = trials
    }
    if let value = mapping.optional("most-experts-per-device") {
      guard let most = value.integer("most-experts-per-device", in: 1...65_535, problems) else {
        return false
      }
      choice.mostPerGroup = most
    }
    choice.written = WrittenPlaces(
      pinned: mapping.optional("pinned"), forbidden: mapping.optional("forbidden"))
    guard mapping.has("every") else { return true }
    choice.every = count("every", of: mapping, in: 1...1_000_000)
    choice.placeOfEvery = mapping.location(of: "every")
    for key in ["profile", "windows"] where mapping.has(key) {
      problems.add(
        "'\(key)' has no effect with 'every': experts follow what the run's own iterations ask",
        at: mapping.location(of: key))
      return false
    }
    for key in ["pinned", "forbidden", "replica-spread"] where mapping.has(key) {
      problems.add(
        "'\(key)' cannot be kept with 'every': experts begin in a row, wherever that is",
        at: mapping.location(of: key))
      return false
    }
    if mapping.has("most-experts-per-device") {
      problems.add(
        "'most-experts-per-device' cannot be had with 'every': memory is set aside for the same number on "
          + "every device", at: mapping.location(of: "most-experts-per-device"))
      return false
    }
    return choice.every != nil
  }

  /// The scenario with the placement that its policy chooses, where it does; what it was otherwise.
  func placed(_ given: Scenario, by policy: PlacementPolicy) -> Scenario? {
    guard case .chosen(var choice) = policy else { return given }
    guard
      let places = places(
        choice.written, given.deployment.model, given.deployment.parallelism,
        sharedGroups: given.deployment.placement.sharedGroups)
    else { return nil }
    choice.places = places
    guard isPossible(choice, given.deployment) else { return nil }
    let scenario = given.chosen(choice)
    let trials = choice.trials ?? PlacementChoice.defaultTrials
    if let every = choice.every {
      let all = scenario.measurement.warmup + scenario.measurement.iterations
      guard every < all else {
        problems.add(
          "'every' has no effect: the run has \(all) iterations with its warm-up, and experts would be "
            + "placed anew after \(every)", at: place("policies", "placement", "every"))
        return nil
      }
      let deployment = scenario.deployment
      let isEstimated =
        deployment.exchange.residence == .home && deployment.placement.sharedGroups == 0
      guard deployment.replicaChoice != .nearest || isEstimated else {
        problems.add(
          "with 'every' the nearest copies are estimated for tokens that return to devices with experts of "
            + "their own only: use 'even'", at: place("policies", "placement", "replica-choice"))
        return nil
      }
      return scenario.placing(
        online: OnlinePlacement(
          every: every, method: choice.method, trials: choice.method == .search ? trials : 0))
    }
    var question = PlacementTask.Question()
    question.split = choice.profile ?? 1
    question.windows = choice.windows
    question.redundant = choice.copies.redundant
    var effort = PlacementMethod.Effort(seed: scenario.seed, trials: trials)
    effort.threads = 1
    do {
      let task = try PlacementTask(scenario, question)
      try task.checkMemory()
      let answer = try task.answering { try choice.method.place(task.profiled, effort) }
      let remark =
        choice.profile == nil
        ? "the placement was chosen by the requests that the run replays"
        : "the placement was chosen by \(task.profiledRequests) requests, and the run replays "
          + "\(task.unseenRequests) others"
      return try task.scenario(
        with: answer.placement, remarks: choice.method == .random ? [] : [remark])
    } catch let error as PlacementProblemError {
      problems.add(error.sentence, at: place("policies", "placement"))
    } catch let error as Problems {
      problems.add(error)
    } catch let error as ServingError {
      problems.add(error.sentence, at: place("policies", "placement"))
    } catch {
      problems.add("\(error)", at: place("policies", "placement"))
    }
    return nil
  }

  /// Whether copies can be kept apart as asked, and experts have room on as many slots.
  private func isPossible(_ choice: PlacementChoice, _ deployment: Deployment) -> Bool {
    if choice.copies.spread == .nodes, deployment.cluster.nodeCount == 1 {
      problems.add(
        "'replica-spread: nodes' has no effect: there is one node",
        at: place("policies", "placement", "replica-spread"))
      return false
    }
    guard let most = choice.mostPerGroup else { return true }
    let experts = deployment.model.experts.count
    let groups = deployment.placement.groups - deployment.placement.sharedGroups
    let copies = experts + choice.copies.redundant
    guard most * groups >= copies, most <= experts else {
      problems.add(
        "'most-experts-per-device' is \(most); \(copies) copies of \(experts) experts on \(groups) expert "
          + "groups need \((copies + groups - 1) / groups) to \(experts)",
        at: place("policies", "placement", "most-experts-per-device"))
      return false
    }
    return true
  }

  private func placementFile(
    _ written: String, at place: Location, _ choice: ReplicaChoice? = nil
  ) -> PlacementPolicy? {
    let path = document.resolve(written, writtenAt: place)
    if let reason = reasonNotToRead(path) {
      problems.add("the placement '\(path)' cannot be read: \(reason)", at: place)
      return nil
    }
    return .file(path: path, written: written, place: place, replicaChoice: choice)
  }

  private func redundantCopies(_ mapping: MappingReader?) -> Int? {
    guard let value = mapping?.optional("redundant") else { return 0 }
    return value.integer("redundant", in: 0...PlacementPolicy.mostRedundant, problems)
  }

  /// The placement for a model on expert groups, and how tokens choose among its copies: as the policy says,
  /// else as its file does.
  func placement(
    _ policy: PlacementPolicy, _ model: ModelArchitecture, _ parallelism: Parallelism,
    nodes: Int?
  ) -> ResolvedPlacement? {
    guard case .file(let path, _, _, let choice) = policy else {
      return placementByRule(policy, model, parallelism).map {
        ResolvedPlacement(placement: $0, replicaChoice: policy.replicaChoice ?? .even)
      }
    }
    do throws(Problems) {
      let file = try PlacementFile(
        contentsOf: path, model: model.name, layers: model.expertLayers.count,
        experts: model.experts.count, groups: parallelism.experts.expert, nodes: nodes)
      guard choice == nil || file.placement.hasReplicas else {
        problems.add(
          "'replica-choice' has no effect: no expert of the placement file has copies to choose among",
          at: place("policies", "placement", "replica-choice"))
        return nil
      }
      return ResolvedPlacement(
        placement: file.placement, replicaChoice: choice ?? file.replicaChoice ?? .even,
        remarks: file.remarks(taking: choice))
    } catch {
      problems.add(error)
      return nil
    }
  }

  private func placementByRule(
    _ policy: PlacementPolicy, _ model: ModelArchitecture, _ parallelism: Parallelism
  ) -> ExpertPlacement? {
    let groups = parallelism.experts.expert
    let layers = model.expertLayers.count
    let experts = model.experts.count
    do throws(PlacementError) {
      switch policy {
      case .contiguous(let copies):
        guard leavesRoutedRanks(copies.sharedRanks, groups: groups) else { return nil }
        return try .contiguous(
          layers: layers, experts: experts, groups: groups - copies.sharedRanks,
          redundant: copies.redundant
        ).behind(sharedGroups: copies.sharedRanks)
      case .roundRobin(let copies):
        guard leavesRoutedRanks(copies.sharedRanks, groups: groups) else { return nil }
        return try .roundRobin(
          layers: layers, experts: experts, groups: groups - copies.sharedRanks,
          redundant: copies.redundant
        ).behind(sharedGroups: copies.sharedRanks)
      case .file: return nil
      case .chosen(let choice):
        let shared = choice.copies.sharedRanks
        // Until the trace and what experts cost are known.
        guard leavesRoutedRanks(shared, groups: groups),
          places(choice.written, model, parallelism, sharedGroups: shared) != nil
        else { return nil }
        if choice.copies.redundant > 0, choice.every != nil || experts < groups - shared {
          return try .roundRobin(
            layers: layers, experts: experts, groups: groups - shared,
            redundant: choice.copies.redundant
          ).behind(sharedGroups: shared)
        }
        return try .contiguous(
          layers: layers, experts: experts, groups: groups - shared
        ).behind(sharedGroups: shared)
      }
    } catch {
      problems.add(error.sentence, at: place(of: error))
    }
    return nil
  }

  private func leavesRoutedRanks(_ shared: Int, groups: Int) -> Bool {
    guard shared > 0, shared >= groups else { return true }
    problems.add(
      "'shared-ranks' is \(shared) of \(groups) expert groups; some must be left for routed experts",
      at: place("policies", "placement", "shared-ranks"))
    return false
  }

  /// Idle groups come from the parallelism, where that is written; the rest is the policy's.
  private func place(of error: PlacementError) -> Location {
    guard case .idleGroups = error, root.has("parallelism") else {
      return root.has("policies")
        ? place("policies", "placement", "redundant") : place("cluster", "nodes")
    }
    return place("parallelism", "experts")
  }
}
