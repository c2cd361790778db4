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
/// have it (traffic is not known from counts). What it found moves where the devices' work gets less by
/// more, over the `every` iterations until experts may move again, than moving takes with the network to
/// itself; layers that would not gain stay. Groups of a node that are alike trade names so that few
/// copies move. They travel beside the next iteration's own exchanges, and from the iteration after that
/// on tokens go where experts then live.
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
  /// How often they could have lived better, but not by as much as moving takes.
  public var declined = 0
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

  /// Counts an iteration; a move where it is time for one and it would pay.
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

  private mutating func decide(
    from current: ExpertPlacement
  ) throws(PlacementProblemError) -> Move? {
    let cells = tokens.count / iterations.count
    let rows = tokens.indices.map { tokens[$0] / Double(iterations[$0 / cells]) }
    let work = rows.map { seconds[$0] }
    var problem = try PlacementProblem(
      layers: current.layers, experts: current.experts, groups: current.groups,
      groupsPerNode: study.groupsPerNode, slotsPerGroup: slots, redundant: redundant, work: work,
      windowWeights: iterations.map { Double($0) })
    problem.routerGroups = study.deployment.model.experts.routerGroups
    problem.traffic = .home
    problem.replicaChoice = study.deployment.replicaChoice
    if redundant > 0 { problem.workPerCopy = rows.map { min(seconds.perCopy($0), seconds[$0]) } }
    let effort = PlacementMethod.Effort(seed: seed, trials: policy.trials)
    let answer = try policy.method.place(problem, from: current, effort)
    let before = PlacementCost(of: current, in: problem)
    let (placement, after) = gaining(answer, over: before, from: current, problem)
    let migration = PlacementMigration(
      from: current, to: placement, groupsPerNode: study.groupsPerNode)
    guard after.total < before.total, migration.copies > 0 else { return nil }
    let gain = (before.total - after.total) * Double(policy.every)
    guard gain > study.migration(from: current, to: placement).time.value else {
      tally.declined += 1
      return nil
    }
    return Move(
      placement: study.placement(of: placement), migration: migration,
      secondsBefore: before.total, secondsAfter: after.total)
  }

  /// What was found for those layers that gain by it, which are by themselves as no traffic is known, with
  /// as few copies elsewhere than now as names of groups allow.
  private func gaining(
    _ answer: PlacementAnswer, over before: PlacementCost, from current: ExpertPlacement,
    _ problem: PlacementProblem
  ) -> (placement: ExpertPlacement, cost: PlacementCost) {
    var (placement, cost) = (answer.placement, answer.cost)
    if study.groupsOfNodeAreAlike {
      let renamed = placement.renamed(like: current, groupsPerNode: study.groupsPerNode)
      let costOfRenamed = PlacementCost(of: renamed, in: problem)
      // Which copy is nearest may hang on the groups' numbers.
      if costOfRenamed.total <= cost.total { (placement, cost) = (renamed, costOfRenamed) }
    }
    let gains = zip(cost.layerWork, before.layerWork).map { $0 < $1 }
    placement = ExpertPlacement(
      groups: placement.groups,
      hosts: gains.indices.map { gains[$0] ? placement.hosts[$0] : current.hosts[$0] })
    return (placement, PlacementCost(of: placement, in: problem))
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
