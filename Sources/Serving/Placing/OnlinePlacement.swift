import Engine
import Fabric
import Hardware
import Models
import Placement
import Traces
import Units

/// Experts that are placed anew while a run goes on, by what its last iterations asked of them.
///
/// After every `every` iterations a method balances the devices' work as the counts of these iterations
/// have it (traffic is not known from counts). The copies that have to move travel beside the next
/// iteration's own exchanges, and from the iteration after that on tokens go where experts then live.
public struct OnlinePlacement: Hashable, Sendable {
  /// Iterations, warm-up among them.
  public var every: Int
  public var method: PlacementMethod
  /// Of search.
  public var trials: Int

  /// Counts are kept in up to so many windows, each balanced for itself by a search.
  static let windows = 8

  public init(every: Int, method: PlacementMethod, trials: Int = 0) {
    self.every = every
    self.method = method
    self.trials = trials
  }
}

/// What placing anew moved in a run, warm-up among it, and what was expected of it.
public struct ReplacementTally: Hashable, Sendable {
  /// How often experts moved.
  public var moves = 0
  public var copies = 0
  public var bytes = Bytes.zero
  /// The slowest devices' work in an iteration, by the counts that each move was decided by: before and
  /// after, added up over moves.
  public var secondsBefore = 0.0
  public var secondsAfter = 0.0
}

/// Watches a run's counts and decides when and where experts move.
struct OnlinePlacer {
  private let policy: OnlinePlacement
  private let study: PlacementStudy
  private let seconds: ExpertSeconds
  private let seed: UInt64
  private let slots: Int
  private let redundant: Int
  /// `[window][layer][expert]` tokens, and iterations of each window.
  private var tokens: [Double] = []
  private var iterations: [Int] = []
  private var counted = 0
  private(set) var tally = ReplacementTally()

  /// What moves, and where experts live then.
  struct Move {
    var placement: ExpertPlacement
    var migration: PlacementMigration
    /// The slowest devices' work in an iteration, by the counts that decided.
    var secondsBefore: Double
    var secondsAfter: Double
  }

  init(
    _ policy: OnlinePlacement, _ deployment: Deployment, _ workload: Workload, seed: UInt64
  ) throws(ServingError) {
    self.policy = policy
    self.seed = seed
    study = try PlacementStudy(deployment, workload)
    let model = deployment.model
    let copies = study.current.hosts.first.map { $0.reduce(0) { $0 + $1.count } } ?? 0
    redundant = copies - model.experts.count
    slots = max(1, (copies + study.groups - 1) / study.groups)
    seconds = ExpertSeconds(
      deployment, workload.mix, groups: study.groups, tokens: study.tokensPerIteration)
    clear()
  }

  private mutating func clear() {
    counted = 0
    let windows = min(OnlinePlacement.windows, policy.every)
    let placement = study.current
    tokens = [Double](repeating: 0, count: windows * placement.layers * placement.experts)
    iterations = [Int](repeating: 0, count: windows)
  }

  /// Counts an iteration; a move where it is time for one and something would move.
  ///
  /// - Parameter current: Where experts live now.
  mutating func next(
    _ loads: [RoutedLoad], from current: ExpertPlacement
  ) throws(ServingError) -> Move? {
    let window = counted * iterations.count / policy.every
    let cells = tokens.count / iterations.count
    for load in loads {
      for cell in 0..<cells {
        tokens[window * cells + cell] += Double(load.counts.expertTokens[cell])
      }
    }
    iterations[window] += 1
    counted += 1
    guard counted == policy.every else { return nil }
    defer { clear() }
    do throws(PlacementProblemError) {
      return try decide(from: study.routed(current))
    } catch { throw .execution("experts cannot be placed anew: \(error.sentence)") }
  }

  private func decide(
    from current: ExpertPlacement
  ) throws(PlacementProblemError) -> Move? {
    let cells = tokens.count / iterations.count
    let rows = tokens.indices.map { tokens[$0] / Double(iterations[$0 / cells]) }
    let work = rows.map { seconds[$0] }
    var problem = try PlacementProblem(
      layers: current.layers, experts: current.experts, groups: current.groups,
      groupsPerNode: study.groupsPerNode, slotsPerGroup: slots, redundant: redundant, work: work,
      windowWeights: iterations.map { Double($0) })
    problem.traffic = .home
    problem.replicaChoice = study.deployment.replicaChoice
    if redundant > 0 { problem.workPerCopy = rows.map { min(seconds.perCopy($0), seconds[$0]) } }
    let effort = PlacementMethod.Effort(seed: seed, trials: policy.trials)
    let answer = try policy.method.place(problem, from: current, effort)
    let before = PlacementCost(of: current, in: problem)
    guard answer.cost.total < before.total else { return nil }
    let migration = PlacementMigration(
      from: current, to: answer.placement, groupsPerNode: study.groupsPerNode)
    guard migration.copies > 0 else { return nil }
    return Move(
      placement: study.placement(of: answer.placement), migration: migration,
      secondsBefore: before.total, secondsAfter: answer.cost.total)
  }

  /// Notes a move that is on its way; one that a run ends before is none.
  mutating func begin(_ move: Move) {
    tally.moves += 1
    tally.copies += move.migration.copies
    tally.bytes = tally.bytes + study.bytesPerCopy * Double(move.migration.copies)
    tally.secondsBefore += move.secondsBefore
    tally.secondsAfter += move.secondsAfter
  }
}

extension StepPlanner {
  /// Appends the way of moving experts, which nothing in the iteration waits for.
  mutating func appendMigration(_ migration: PlacementMigration, to graph: inout TaskGraph) {
    let slices = deployment.parallelism.experts.tensor
    let shared = deployment.placement.sharedGroups
    let each = deployment.model.expertBytes(deployment.precisions, tensorSlices: slices)
    appendTransfer(.expertTransfer, to: &graph) { add in
      for from in 0..<migration.groups {
        for to in 0..<migration.groups {
          let copies = migration.copiesSent[from * migration.groups + to]
          guard copies > 0 else { continue }
          // Each device of a group sends its slice to the one that has the same.
          for slice in 0..<slices {
            add(
              each * Double(copies), (from + shared) * slices + slice,
              (to + shared) * slices + slice)
          }
        }
      }
    }
  }
}
