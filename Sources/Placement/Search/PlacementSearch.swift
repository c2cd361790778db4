import Statistics

/// Finds a good placement: a chain of transportation problems from layer to layer, swap descent, then
/// annealing with constant-time change of cost.
///
///     let search = PlacementSearch(seed: 1, trials: 2_000_000)
///     let found = search.run(problem, from: current)
///
/// Deterministic by number of trials, whatever the threads. Never worse than its start.
public struct PlacementSearch: Sendable {
  public var seed: UInt64
  /// Proposals of annealing for each chain.
  public var trials: Int
  /// Independent chains; the best one counts.
  public var chains = 1
  public var threads = 1
  /// The layers whose experts may move; all where `nil`.
  public var movableLayers: [Int]?

  public init(seed: UInt64 = 0, trials: Int = 2_000_000) {
    self.seed = seed
    self.trials = trials
  }

  public struct Outcome: Sendable {
    public var placement: ExpertPlacement
    public var cost: PlacementCost
    /// Trials of all chains.
    public var trials: Int
  }
}
